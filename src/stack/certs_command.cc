#include <algorithm>
#include <cstdio>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "runtime/clock.h"
#include "stack/certs.h"
#include "stack/commands.h"
#include "stack/terminal.h"

namespace aurum::stack {

namespace {

struct Options {
  std::string dir, list = CertsPlace{}.list;
  std::vector<std::string> hosts;
  bool only = false;
  std::string from;
  int days = 365;
  Renewal renewal;
  bool json = false;
};

std::string date_of(std::int64_t epoch_s) {
  if (epoch_s == 0) return "";
  const auto at = static_cast<std::time_t>(epoch_s);
  std::tm utc{};
  ::gmtime_r(&at, &utc);
  return fmt::format("{:04}-{:02}-{:02}", utc.tm_year + 1900, utc.tm_mon + 1, utc.tm_mday);
}

void print_json(const std::vector<CertLine>& lines) {
  auto doc = nlohmann::ordered_json::array();
  for (const auto& line : lines)
    doc.push_back({{"file", line.file},
                   {"state", to_string(line.state)},
                   {"usable", usable(line.state)},
                   {"problem", line.text},
                   {"subject", line.subject},
                   {"names", line.names},
                   {"not_after", line.not_after_s},
                   {"ours", line.ours},
                   {"changed", line.changed}});
  std::printf("%s\n", doc.dump(2).c_str());
}

void print_lines(const std::vector<CertLine>& lines) {
  std::vector<std::vector<std::string>> rows = {{"CERTIFICATE", "SUBJECT", "EXPIRES", "STATE", ""}};
  for (const auto& line : lines)
    rows.push_back({line.file, line.subject.substr(0, 16), date_of(line.not_after_s),
                    std::string(to_string(line.state)),
                    line.changed ? "new"
                    : line.ours  ? ""
                                 : "yours"});
  std::printf("%s\n", table(rows, "").c_str());
}

/// 0, or 1 after a line for each that a service can not work with.
int show(const Result<std::vector<CertLine>>& lines, bool as_json) {
  if (!lines) return report(lines.error());
  if (as_json)
    print_json(*lines);
  else
    print_lines(*lines);
  int code = 0;
  for (const auto& line : *lines) {
    if (line.state == CertState::good) continue;
    const bool broken = !usable(line.state);
    std::fprintf(stderr, "%s: %s: %s\n", broken ? "error" : "warning", line.file.c_str(),
                 line.text.c_str());
    if (!line.hint.empty()) std::fprintf(stderr, "hint: %s\n", line.hint.c_str());
    if (broken) code = 1;
  }
  return code;
}

int run_init(const Options& options) {
  CertsWish wish{.place = {options.dir, options.list},
                 .hosts = {},
                 .join = !options.only,
                 .days = options.days,
                 .from = options.from};
  for (const auto& text : options.hosts) {
    auto host = parse_host(text);
    if (!host) return report(host.error());
    wish.hosts.push_back(std::move(*host));
  }
  return show(init_certs(wish, runtime::wall_now()), options.json);
}

}  // namespace

int certs_main(int argc, char** argv) {
  Options o;
  CLI::App app(
      "Certificates for every link of a stack: a development authority, and what each\n"
      "host needs, in a folder of its own. Or your own ones, checked and put in place.",
      "aurum certs");
  app.require_subcommand(1);
  app.get_formatter()->column_width(28);
  explain_failures(app, "aurum certs --help");
  app.footer(
      "Examples\n"
      "  aurum certs init /etc/aurum/certs              for the hosts of compose.yaml\n"
      "  aurum certs init certs --host postgres:db1=10.0.0.1 --host etcd:db1\n"
      "  aurum certs init certs --host postgres:db4     one more, beside those\n"
      "  aurum certs init certs --from ~/issued         ca.crt, HOST/server.crt, .key\n"
      "  aurum certs status certs                       exit 1 when one will not do\n"
      "  aurum certs renew certs                        those that end in 30 days\n"
      "\n"
      "Nothing that it did not make is ever changed. Renewed certificates keep their\n"
      "key; services take them up without a restart. Roles: postgres, etcd, haproxy,\n"
      "pgbouncer, pgbackrest, exporter, prometheus, alertmanager.");
  auto common = [&](CLI::App* sub) {
    sub->add_option("DIR", o.dir, "the folder; keep it out of version control")->required();
    sub->add_flag("--json", o.json, "for programs");
    sub->add_option("--list", o.list, "ca/LIST.json has the hosts (certs)")
        ->envname("AURUM_CERTS_LIST")
        ->check([](const std::string& name) {
          return name.empty() || name.contains('/') ? "is no name for a list" : std::string();
        });
    return sub;
  };
  auto* init = common(app.add_subcommand("init", "make what is missing, leave the rest"));
  auto* host = init->add_option("--host", o.hosts, "ROLE:NAME[=OTHER,NAMES]; may be repeated");
  init->add_flag("--only", o.only, "forget the hosts that were named before")->needs(host);
  init->add_option("--from", o.from, "a folder with your own, laid out alike");
  init->add_option("--days", o.days, "how long each is valid (365)")->check(CLI::Range(1, 3650));
  auto* renew = common(app.add_subcommand("renew", "renew those that end soon"));
  renew->add_option("--before", o.renewal.before_days, "those that end within days (30)")
      ->check(CLI::Range(0, 3650));
  renew->add_flag("--all", o.renewal.all, "all of them");
  renew->add_flag("--new-keys", o.renewal.new_keys, "with new keys as well");
  renew->add_flag("--authority", o.renewal.authority, "the authority too; it keeps its key");
  common(app.add_subcommand("status", "when they end, and what is wrong with them"));
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& e) {
    return app.exit(e) == 0 ? 0 : 2;
  }
  if (init->parsed()) return run_init(o);
  if (renew->parsed())
    return show(renew_certs({o.dir, o.list}, o.renewal, runtime::wall_now()), o.json);
  return show(certs_status({o.dir, o.list}, runtime::wall_now()), o.json);
}

}  // namespace aurum::stack
