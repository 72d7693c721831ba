#include <algorithm>
#include <unistd.h>

#include <boost/asio/experimental/awaitable_operators.hpp>
#include <boost/asio/steady_timer.hpp>

#include "pg/conninfo.h"
#include "pg/files.h"
#include "pg/postgres.h"
#include "pg/programs.h"
#include "pg/render.h"
#include "runtime/process.h"

/// Filling the data directory from another member (PATRONI_COMPAT §6.4).
namespace aurum::pg {

namespace asio = runtime::asio;

namespace {

constexpr auto kLongestClone = std::chrono::hours(72);
/// pg_basebackup reports every second while data flows. Silent for longer than this, it hangs on
/// its peer.
constexpr auto kLongestSilence = std::chrono::minutes(15);
constexpr auto kBetweenAttempts = seconds(5);

/// Ends when nothing was heard for too long.
Task<void> watch_silence(std::shared_ptr<Instant> heard) {
  asio::steady_timer timer(co_await asio::this_coro::executor);
  while (runtime::now() - *heard < kLongestSilence) {
    timer.expires_after(seconds(5));
    auto [ec] = co_await timer.async_wait(runtime::use_task);
    if (ec) co_return;
  }
}

Task<Result<runtime::ProcessEnd>> run_watched(runtime::ProcessSpec spec,
                                              std::shared_ptr<Instant> heard) {
  using namespace asio::experimental::awaitable_operators;
  auto who = co_await (runtime::run_process(std::move(spec)) || watch_silence(heard));
  if (who.index() == 0) co_return std::get<0>(std::move(who));
  co_return fail(Code::timeout, "no progress for 15 minutes");
}

const model::Value* section_of(const model::LocalConfig& config, const std::string& name) {
  const auto* section = config.pg.methods.find(name);
  return section && section->is_object() ? section : nullptr;
}

bool flag(const model::Value* section, std::string_view name) {
  const auto* value = section ? section->find(name) : nullptr;
  return value && model::read_bool(*value) == true;
}

}  // namespace

Task<Result<Postgres::CloneReport>> Postgres::clone(std::vector<model::Upstream> sources,
                                                    bool only_basebackup, Progress progress,
                                                    std::vector<std::string> methods) {
  if (methods.empty()) methods = config_->pg.create_replica_methods;
  if (only_basebackup || methods.empty()) methods = {"basebackup"};
  Error last{Code::unavailable, "there is no method to create a replica with", {}};
  for (const auto& method : methods) {
    const auto* section = section_of(*config_, method);
    if (method == "basebackup") {
      for (int attempt = 0; attempt < 2 && !sources.empty(); ++attempt) {
        if (attempt > 0) {
          asio::steady_timer timer(
              executor_,
              std::chrono::duration_cast<asio::steady_timer::duration>(kBetweenAttempts));
          auto [ec] = co_await timer.async_wait(runtime::use_task);
          static_cast<void>(ec);
        }
        for (const auto& source : sources) {
          auto done = co_await basebackup(source, progress);
          if (done) co_return CloneReport{source, method};
          last = done.error().within("pg_basebackup from " +
                                     (source.name.empty() ? source.host : source.name));
          log_.error("clone.failed", last.text());
          if (last.code == Code::exists || last.code == Code::not_found) break;
        }
        if (last.code == Code::exists || last.code == Code::not_found) co_return fail(last);
        if (last.code == Code::permission) break;  // a second try would be refused just so
      }
      continue;
    }
    if (sources.empty() && !flag(section, "no_leader")) continue;
    auto source = sources.empty() ? std::nullopt : std::optional(sources.front());
    auto done = co_await custom_method(method, source, progress);
    if (done) co_return CloneReport{source.value_or(model::Upstream{}), method};
    last = done.error().within("postgresql." + method);
    log_.error("clone.failed", last.text());
    if (last.code == Code::exists) co_return fail(last);
  }
  co_return fail(last);
}

Task<Status> Postgres::basebackup(model::Upstream source, Progress progress) {
  const auto& pg = config_->pg;
  const auto dir = pg.data_dir;
  auto prepared = co_await prepare_empty_dir("clone from " + source.name);
  if (!prepared) co_return prepared;
  auto tool = co_await program("pg_basebackup");
  if (!tool) co_return fail(tool.error());
  auto passfile = co_await write_passfile({source});
  if (!passfile) co_return passfile;
  auto marked = co_await runtime::in_pool(
      pool_, [dir, what = "clone from " + source.name + " " + source.host] {
        return mark_incomplete(dir, what);
      });
  if (!marked) co_return marked;

  runtime::ProcessSpec spec;
  spec.argv = {*tool,
               "--pgdata=" + (dir / kStaging).string(),
               "-X",
               "stream",
               "--progress",
               "--no-password",
               "--dbname=" + render_conninfo(tool_conninfo(pg.replication, source, pg.database))};
  std::vector<std::string> refused, options;
  if (const auto* section = pg.methods.find("basebackup"))
    options =
        long_options(*section,
                     {"pgdata", "format", "wal-method", "xlog-method", "gzip", "version", "dbname",
                      "host", "port", "username", "password", "no-password", "progress"},
                     &refused);
  for (const auto& name : refused)
    log_.warn("basebackup.option",
              "postgresql.basebackup: option " + name + " is set by the agent, it is ignored");
  if (std::none_of(options.begin(), options.end(),
                   [](const auto& o) { return o.starts_with("--checkpoint"); }))
    options.push_back("--checkpoint=fast");
  for (auto& option : options) spec.argv.push_back(std::move(option));
  spec.env = child_environment(pg.replication.password.empty()
                                   ? std::vector<std::string>{}
                                   : std::vector{"PGPASSFILE=" + pg.pgpass.string()});
  spec.timeout = kLongestClone;
  auto heard = std::make_shared<Instant>(runtime::now());
  auto told = std::make_shared<std::string>();
  spec.on_line = [heard, told, progress](std::string_view line) {
    *heard = runtime::now();
    auto text = copy_progress(line);
    if (!text || *text == *told) return;
    *told = *text;
    if (progress) progress(*text);
  };
  auto end = co_await run_watched(std::move(spec), heard);
  Status done;
  if (!end) {
    done = fail(end.error());
  } else if (!end->ok()) {
    const auto why = tool_reason(*end);
    const bool login = why.find("authentication failed") != std::string::npos ||
                       why.find("pg_hba.conf") != std::string::npos;
    done = fail(login ? Code::permission : Code::unavailable, why,
                login ? "Check postgresql.authentication.replication and pg_hba.conf of " +
                            source.host + "."
                      : "");
  } else {
    if (progress) progress("copied, completing");
    done = co_await runtime::in_pool(pool_, [dir] { return move_out_of_staging(dir); });
    if (done) done = co_await finish_copy();
  }
  if (!done)
    co_await runtime::in_pool(pool_, [dir] { return clear_directory(dir, "a failed clone"); });
  co_return done;
}

/// A copied directory becomes ours: nothing of the source's own life stays in it, then the marker
/// goes.
Task<Status> Postgres::finish_copy(bool founding) {
  const auto dir = config_->pg.data_dir;
  auto finished = co_await runtime::in_pool(pool_, [dir, founding]() -> Status {
    std::error_code ec;
    for (const char* name : {"standby.signal", "promote", "patroni.dynamic.json", kProbeFile,
                             kFounding, "postmaster.pid"})
      fs::remove(dir / name, ec);
    if (!fs::exists(dir / "PG_VERSION", ec) || !fs::exists(dir / "global/pg_control", ec))
      return fail(Code::io, "no database stands in " + dir.string() + " afterwards");
    // Durable before the directory counts as complete: from then on an agent that starts would
    // take it for a cluster.
    auto marked = founding ? begin_founding(dir) : Status{};
    if (!marked) return marked;
    ::unlink(outer_marker(dir).c_str());
    return mark_complete(dir);
  });
  co_return finished;
}

Task<Status> Postgres::custom_method(std::string name, std::optional<model::Upstream> source,
                                     Progress progress) {
  const auto& pg = config_->pg;
  const auto dir = pg.data_dir;
  const auto* section = section_of(*config_, name);
  const bool keep_data = flag(section, "keep_data");
  if (!keep_data) {
    auto prepared = co_await prepare_empty_dir("clone by " + name);
    if (!prepared) co_return prepared;
  }
  std::string connstring;
  if (source) {
    auto passfile = co_await write_passfile({*source});
    if (!passfile) co_return passfile;
    connstring = render_conninfo(tool_conninfo(pg.replication, *source, pg.database));
  }
  std::string command = name;
  std::vector<std::string> more;
  if (section) {
    for (const auto& [key, value] : section->as_object()) {
      if (key == "command") {
        command = value.text();
      } else if (key != "no_params") {
        more.push_back("--" + key + "=" + value.text());
      }
    }
  }
  if (flag(section, "no_params")) {
    more.clear();
  } else {
    for (auto option : {"--scope=" + config_->scope, std::string("--role=replica"),
                        "--datadir=" + dir.string(), "--connstring=" + connstring})
      more.push_back(std::move(option));
  }
  // Such a program wants an empty directory, so the marker stands beside it; where that cannot be
  // written, a restore that was cut off is told from a database by what pg_control says.
  auto marked = co_await runtime::in_pool(pool_, [dir, name] {
    return write_file(outer_marker(dir), "clone by " + name + "\n", 0600);
  });
  if (!marked) log_.warn("clone.marker", marked.error().text());
  if (progress) progress("running " + name);
  std::vector<std::string> environment{"PGPASSFILE=" + pg.pgpass.string()};
  auto done = co_await run_hook("postgresql." + name, command, std::move(more),
                                std::move(environment), kLongestClone);
  if (done) done = co_await finish_copy();
  if (!done && !keep_data)
    co_await runtime::in_pool(pool_, [dir, name] {
      if (inspect_data_dir(dir) == model::DataDir::foreign)
        static_cast<void>(mark_incomplete(dir, "clone by " + name));
      return clear_directory(dir, "a failed clone");
    });
  co_return done;
}

Task<Status> Postgres::clear_data(std::string why) {
  const auto dir = config_->pg.data_dir;
  auto server = co_await live_postmaster();
  if (server)
    co_return fail(Code::invalid,
                   "PostgreSQL runs in " + dir.string() + ", its data is not removed");
  heartbeat_.reset();
  auto orphans = co_await end_orphans(seconds(10));
  if (!orphans) co_return orphans;
  log_.info("clear_data", "Removing data directory: " + dir.string() + ": " + why);
  auto cleared = co_await runtime::in_pool(pool_, [dir, why] { return clear_directory(dir, why); });
  control_.reset();
  co_return cleared;
}

}  // namespace aurum::pg
