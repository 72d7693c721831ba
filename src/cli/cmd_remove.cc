#include <ostream>

#include <fmt/format.h>

#include "cli/member_rows.h"
#include "cli/prompt.h"
#include "cli/records.h"
#include "cli/session.h"

/// remove: the cluster's keys leave the store, after three questions.
namespace aurum::cli {

namespace {

/// One question; the command ends with `otherwise` unless the answer is `wanted` to the letter.
Status demand(Session& session, const std::string& question, std::string_view wanted,
              const char* otherwise) {
  const auto answer = ask(session.console, question);
  if (!answer) return fail(answer.error());
  if (*answer == wanted) return {};
  return fail(Code::rejected, otherwise);
}

}  // namespace

Done run_remove(Session& session) {
  constexpr std::string_view kAware = "Yes I am aware";
  const auto cluster = cluster_of(session);
  if (!cluster) return fail(cluster.error());
  const auto view = session.world.read(*cluster);
  if (!view) return fail(view.error());
  const Format format = parse_format(session.options.format).value_or(Format::pretty);
  session.console.out << render_members(*view, cluster->scope,
                                        {format, false, session.console.colour, cluster->group});

  auto sure = demand(session, "Please confirm the cluster name to remove", cluster->scope,
                     "Cluster names specified do not match");
  if (sure)
    sure = demand(session,
                  fmt::format("You are about to remove all information in DCS for {}, please "
                              "type: \"{}\"",
                              cluster->scope, kAware),
                  kAware, "You did not exactly type \"Yes I am aware\"");
  if (sure && !view->leader_name().empty())
    sure = demand(session,
                  "This cluster currently is healthy. Please specify the leader name to continue",
                  view->leader_name(), "You did not specify the current leader of the cluster");
  if (!sure) return fail(sure.error());
  model::Txn txn;
  txn.then.push_back({model::Write::What::erase_prefix, ""});
  const auto done = session.world.txn(*cluster, std::move(txn));
  if (!done) return fail(done.error());
  return 0;
}

}  // namespace aurum::cli
