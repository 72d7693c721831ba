#include <fstream>
#include <istream>
#include <iterator>
#include <ostream>

#include <fmt/format.h>

#include "cli/config_edit.h"
#include "cli/diff.h"
#include "cli/prompt.h"
#include "cli/session.h"

/// show-config and edit-config.
namespace aurum::cli {

namespace {

struct Current {
  ClusterId cluster;
  model::Value config;
  model::Revision revision = 0;
};

Result<Current> read_config(Session& session) {
  const auto cluster = cluster_of(session);
  if (!cluster) return fail(cluster.error());
  const auto view = session.world.read(*cluster);
  if (!view) return fail(view.error());
  if (view->config.is_null())
    return fail(Code::not_found,
                fmt::format("The config key does not exist in the cluster {}", cluster->scope),
                unknown_cluster_hint(session, *cluster, *view));
  return Current{*cluster, view->config, view->config_revision};
}

/// A file's text; "-" is standard input.
Result<std::string> read_source(Session& session, const std::string& file) {
  if (file == "-") return std::string(std::istreambuf_iterator<char>(session.console.in), {});
  std::ifstream in(file, std::ios::binary);
  if (!in) return fail(Code::not_found, fmt::format("cannot read {}", file));
  return std::string(std::istreambuf_iterator<char>(in), {});
}

Result<model::Value> read_tree(Session& session, const std::string& file) {
  const auto text = read_source(session, file);
  if (!text) return fail(text.error());
  return read_config_text(*text, file == "-" ? "standard input" : file);
}

Result<model::Value> edited(Session& session, const Current& current) {
  const Options& o = session.options;
  model::Value config = current.config;
  if (!o.replace.empty()) {
    auto tree = read_tree(session, o.replace);
    if (!tree) return tree;
    config = std::move(*tree);
  }
  if (!o.apply.empty()) {
    const auto tree = read_tree(session, o.apply);
    if (!tree) return tree;
    model::merge_patch(config, *tree);
  }
  for (const auto& setting : o.set)
    if (const auto done = apply_setting(config, setting); !done) return fail(done.error());
  for (const auto& setting : o.pg)
    if (const auto done = apply_parameter(config, setting); !done) return fail(done.error());
  if (!o.replace.empty() || !o.apply.empty() || !o.set.empty() || !o.pg.empty()) return config;
  const auto text = session.world.edit(editable(config), current.cluster.scope);
  if (!text) return fail(text.error());
  return read_config_text(*text, "the edited configuration");
}

Done write_config(Session& session, const Current& current, const model::Value& config) {
  model::Txn txn;
  txn.when.push_back({"config", model::Compare::What::mod_revision, current.revision});
  txn.then.push_back({model::Write::What::put, "config", model::to_json(config)});
  const auto done = session.world.txn(current.cluster, std::move(txn));
  if (!done) return fail(done.error());
  if (!done->succeeded)
    return fail(Code::rejected, "Config modification aborted due to concurrent changes",
                "Somebody else changed it meanwhile; look at `show-config` and try again.");
  session.console.out << "Configuration changed\n";
  return 0;
}

}  // namespace

Done run_show_config(Session& session) {
  const auto current = read_config(session);
  if (!current) return fail(current.error());
  session.console.out << editable(current->config) << "\n";
  return 0;
}

Done run_edit_config(Session& session) {
  const auto current = read_config(session);
  if (!current) return fail(current.error());
  const auto config = edited(session, *current);
  if (!config) return fail(config.error());
  const std::string diff = unified_diff(editable(current->config), editable(*config));
  if (diff.empty()) {
    if (!session.options.quiet) session.console.out << "Not changed\n";
    return 0;
  }
  const Options& o = session.options;
  if (!o.quiet) session.console.out << (session.console.colour ? coloured_diff(diff) : diff);
  if (!o.force) {
    if (o.apply == "-" || o.replace == "-") {
      session.console.out << "Use --force option to apply changes\n";
      return 0;
    }
    const auto agreed = confirm(session.console, "Apply these changes?");
    if (!agreed) return fail(agreed.error());
    if (!*agreed) return 0;
  }
  return write_config(session, *current, *config);
}

}  // namespace aurum::cli
