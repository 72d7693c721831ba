#include "cli/doctor.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>
#include <unistd.h>
#include <vector>

#include <fmt/format.h>

#include "cli/doctor_checks.h"
#include "model/value.h"
#include "runtime/environment.h"

namespace aurum::cli {

namespace {

constexpr const char* kDoctorHelp = R"(Usage: aurum doctor [-c CONFIG] [options] [ITEM ...]

Judges a cluster by the production checklist: etcd, members, backups, TLS,
passwords, and this machine. Asks only, changes nothing. Run it on a database
node, as root or the owner of the data; on each of them for what is said of
"this node".

CONFIG is the node's patroni.yml (default: PATRONI_CONFIG_FILE).
ITEMs, as --list names them, are judged alone.

Options
  --failed      show only what is to be mended, or is not known
  --list        name the items, judge nothing
  --json        for programs
  --help        this text

Exit code: 0 nothing is to be mended, 1 something is, 2 wrong usage.

Examples
  aurum doctor -c /etc/aurum/patroni.yml
  aurum doctor -c /etc/aurum/patroni.yml --failed
  aurum doctor -c /etc/aurum/patroni.yml backup-age archiving
  aurum doctor --json | jq -r '.checks[] | select(.health == "fail").fix'
)";

struct Options {
  std::string config;
  bool failed = false, list = false, json = false;
  std::vector<std::string_view> items;  ///< none = all of them

  bool wants(std::string_view id) const {
    return items.empty() || std::ranges::find(items, id) != items.end();
  }
};

struct Judged {
  const CheckItem* item;
  Verdict verdict;
};

/// Text in lines of `width`, those behind the first below `column`.
std::string wrapped(std::string_view text, std::size_t column) {
  constexpr std::size_t kWidth = 80;
  std::string out;
  const std::size_t room = kWidth - column;
  while (text.size() > room) {
    auto cut = text.rfind(' ', room);
    if (cut == std::string_view::npos || cut == 0) cut = text.find(' ');
    if (cut == std::string_view::npos) break;
    out += fmt::format("{}\n{:{}}", text.substr(0, cut), "", column);
    text.remove_prefix(cut + 1);
  }
  return out + std::string(text);
}

void print_text(const std::vector<Judged>& all, const Options& options) {
  constexpr std::size_t kColumn = 12;
  std::array<int, 3> counts{};
  for (const auto& [item, verdict] : all) {
    ++counts[static_cast<std::size_t>(verdict.health)];
    if (options.failed && verdict.health == Health::pass) continue;
    fmt::print("{:<10}  {}\n", verdict.health == Health::fail ? "FAIL" : to_string(verdict.health),
               wrapped(fmt::format("{}: {}", item->title, verdict.told), kColumn));
    if (verdict.health == Health::fail)
      fmt::print("{:{}}fix: {}\n", "", kColumn, wrapped(verdict.fix, kColumn + 5));
  }
  fmt::print("{} pass, {} fail, {} not known\n", counts[0], counts[1], counts[2]);
}

void print_json(const std::vector<Judged>& all, const std::string& scope) {
  model::Value checks = model::Value::array();
  for (const auto& [item, verdict] : all) {
    model::Value row;
    row.set("id", std::string(item->id));
    row.set("title", std::string(item->title));
    row.set("health", std::string(to_string(verdict.health)));
    row.set("told", verdict.told);
    if (!verdict.fix.empty()) row.set("fix", verdict.fix);
    checks.push_back(std::move(row));
  }
  model::Value out;
  out.set("cluster", scope);
  out.set("checks", std::move(checks));
  fmt::print("{}\n", model::to_json_pretty(out));
}

int judge(const Options& options) {
  auto loaded = model::load_config(options.config, runtime::environment());
  for (const auto& finding : loaded.findings)
    if (finding.level == model::Finding::Level::error) {
      fmt::print(stderr, "error: {}\n", finding.text());
      return 1;
    }
  const std::string scope = loaded.config->scope;
  const bool told = ::isatty(2) != 0;
  if (told) fmt::print(stderr, "asking etcd, the agents and PostgreSQL ...");
  const auto facts = gather_facts(std::move(*loaded.config), options.config);
  if (told) fmt::print(stderr, "\r\033[K");
  std::vector<Judged> all;
  bool wrong = false;
  for (const auto& item : check_items()) {
    if (!options.wants(item.id)) continue;
    all.push_back({&item, item.judge(facts)});
    wrong = wrong || all.back().verdict.health == Health::fail;
  }
  if (options.json)
    print_json(all, scope);
  else
    print_text(all, options);
  return wrong ? 1 : 0;
}

}  // namespace

int doctor_main(int argc, char** argv) {
  Options options;
  if (const char* file = std::getenv("PATRONI_CONFIG_FILE")) options.config = file;
  for (int i = 1; i < argc; ++i) {
    const std::string_view word = argv[i];
    if (word == "--help" || word == "-h") return std::fputs(kDoctorHelp, stdout) >= 0 ? 0 : 1;
    if ((word == "-c" || word == "--config-file") && i + 1 < argc) {
      options.config = argv[++i];
    } else if (word == "--failed") {
      options.failed = true;
    } else if (word == "--list") {
      options.list = true;
    } else if (word == "--json") {
      options.json = true;
    } else if (std::ranges::find(check_items(), word, &CheckItem::id) != check_items().end()) {
      options.items.push_back(word);
    } else if (word.starts_with('-')) {
      fmt::print(stderr, "error: unknown argument '{}'\nhint: aurum doctor --help\n", word);
      return 2;
    } else {
      fmt::print(stderr, "error: the checklist has no item '{}'\nhint: aurum doctor --list\n",
                 word);
      return 2;
    }
  }
  if (!options.list) return judge(options);
  for (const auto& item : check_items())
    if (options.wants(item.id)) fmt::print("{:<18}{}\n", item.id, item.title);
  return 0;
}

}  // namespace aurum::cli
