#include "cli/secrets.h"

#include <charconv>
#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "cli/console.h"
#include "cli/rotation.h"
#include "cli/table.h"
#include "model/config_sources.h"
#include "runtime/environment.h"
#include "runtime/random.h"

namespace aurum::cli {

using model::PasswordUse;
using model::SecretState;

namespace {

constexpr const char* kSecretsHelp = R"(Usage: aurum secrets rotate PASSWORD [-c CONFIG] [options]
       aurum secrets show [PASSWORD] [-c CONFIG] [--json]

Changes a password of the whole cluster while it runs. Every member first gets
the new one beside the present one, then PostgreSQL takes it, then the former is
forgotten: at no moment a member is without the one it needs. Cut short anywhere,
the same command goes on where it stood.

Run it on a member, as root or the agent's user, with that member's CONFIG
(default: PATRONI_CONFIG_FILE). Passwords have to come from files
(password_file, PATRONI_..._PASSWORD_FILE), on every member.

PASSWORD
  superuser      postgresql.authentication.superuser
  replication    postgresql.authentication.replication
  rewind         postgresql.authentication.rewind
  rest           restapi.authentication, and ctl.authentication beside it

Options
  --new-from FILE   the new password is FILE's first line, "-" reads standard
                    input; default: 32 random letters and digits
  --wait SECONDS    how long to wait for standbys that are behind (60)
  --json            for programs
  --help            this text

Exit code: 0 done, 1 not done, and why; 2 wrong usage.

Examples
  aurum secrets rotate superuser -c /etc/aurum/patroni.yml
  pass show db/replicator | aurum secrets rotate replication --new-from -
  aurum secrets show -c /etc/aurum/patroni.yml
  aurum secrets show rest --json | jq -r '.passwords[].members[].holds'
)";

struct SecretsOptions {
  std::string action, config, new_from;
  std::optional<PasswordUse> use;
  Duration wait = seconds(60);
  bool json = false, help = false;
};

Status take_word(SecretsOptions& out, std::string_view word) {
  if (out.action.empty()) {
    if (word != "rotate" && word != "show")
      return fail(Code::invalid, fmt::format("unknown action '{}'", word),
                  "rotate or show: aurum secrets --help");
    out.action = word;
    return {};
  }
  if (out.use)
    return fail(Code::invalid, fmt::format("one password at a time, not also '{}'", word));
  out.use = model::parse_password_use(word);
  if (!out.use)
    return fail(Code::invalid, fmt::format("there is no password '{}'", word),
                "One of superuser, replication, rewind, rest; a new one is never an argument.");
  return {};
}

Status take_value(SecretsOptions& out, std::string_view option, const std::string& value) {
  if (option == "-c" || option == "--config") {
    out.config = value;
  } else if (option == "--new-from") {
    out.new_from = value;
  } else {
    unsigned wait = 0;
    const auto [end, ec] = std::from_chars(value.data(), value.data() + value.size(), wait);
    if (ec != std::errc() || end != value.data() + value.size() || wait > 86'400)
      return fail(Code::invalid,
                  fmt::format("--wait takes seconds, at most a day, not '{}'", value));
    out.wait = seconds(wait);
  }
  return {};
}

Result<SecretsOptions> parse_secrets_options(std::span<char* const> arguments) {
  SecretsOptions out;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string_view word = arguments[i];
    Status taken;
    if (word == "--help" || word == "-h") {
      out.help = true;
    } else if (word == "--json") {
      out.json = true;
    } else if (word == "-c" || word == "--config" || word == "--new-from" || word == "--wait") {
      if (i + 1 == arguments.size())
        return fail(Code::invalid, fmt::format("{} needs a value", word));
      taken = take_value(out, word, arguments[++i]);
    } else if (word.starts_with("-")) {
      taken = fail(Code::invalid, fmt::format("unknown option {}", word));
    } else {
      taken = take_word(out, word);
    }
    if (!taken) return fail(taken.error());
  }
  if (out.help) return out;
  if (out.action.empty()) return fail(Code::invalid, "rotate or show?");
  if (out.action == "rotate" && !out.use)
    return fail(Code::invalid, "rotate needs to know which password",
                "superuser, replication, rewind or rest.");
  if (out.action == "show" && !out.new_from.empty())
    return fail(Code::invalid, "--new-from belongs to rotate");
  if (out.config.empty())
    if (const char* file = std::getenv("PATRONI_CONFIG_FILE")) out.config = file;
  return out;
}

Result<std::string> new_password(const std::string& from) {
  if (from.empty()) return runtime::random_word(32);
  std::string line;
  if (from == "-") {
    if (!std::getline(std::cin, line)) return fail(Code::io, "standard input is empty");
  } else {
    const auto text = model::read_text_file(from);
    if (!text) return fail(text.error());
    line = text->substr(0, text->find('\n'));
  }
  if (line.ends_with('\r')) line.pop_back();
  const auto good = model::check_new_password(line);
  if (!good) return fail(good.error());
  return line;
}

Result<model::LocalConfig> load(const SecretsOptions& options) {
  auto loaded = model::load_config(options.config, runtime::environment());
  for (const auto& finding : loaded.findings)
    if (finding.level == model::Finding::Level::error) return fail(Code::invalid, finding.text());
  return std::move(*loaded.config);
}

/// Reads this member's configuration, and its file, each time it is asked.
class Seat {
 public:
  Seat(const SecretsOptions& options, PasswordUse use) : options_(options), use_(use) {}

  Result<RotationSeat> sit() {
    auto config = load(options_);
    if (!config) return fail(config.error());
    const auto source = model::password_source(*config, runtime::environment(), use_);
    if (!source) return fail(source.error());
    auto secret = model::load_secret_file(source->files.front());
    if (!secret) return fail(secret.error());
    const std::string name = config->name;
    world_ = make_world(std::move(*config), runtime::null_logger());
    return RotationSeat{name, std::move(*secret), world_.get()};
  }

 private:
  const SecretsOptions& options_;
  PasswordUse use_;
  std::unique_ptr<World> world_;
};

std::string_view holds(const SecretState& state) {
  if (state.in_use.empty()) return "";
  return !state.next.empty()       ? "present and next"
         : !state.previous.empty() ? "new and former"
                                   : "one";
}

std::string_view takes(const SecretState& state, PasswordUse use) {
  if (use == PasswordUse::rest) return "";
  if (state.server.empty()) return "neither";
  return state.server == state.in_use ? "the first" : "the second";
}

model::Value as_json(PasswordUse use, const std::vector<SecretState>& states) {
  model::Value members = model::Value::array();
  for (const auto& state : states) {
    model::Value one = model::Value::object();
    one.set("member", state.member);
    one.set("leads", state.leads);
    one.set("file", state.file);
    one.set("holds", std::string(holds(state)));
    one.set("postgresql_takes", std::string(takes(state, use)));
    one.set("problem", state.problem);
    members.push_back(std::move(one));
  }
  model::Value out = model::Value::object();
  out.set("password", std::string(to_string(use)));
  out.set("members", std::move(members));
  return out;
}

class Command {
 public:
  Command(const SecretsOptions& options, std::string scope, std::string salt)
      : options_(options), scope_(std::move(scope)), salt_(std::move(salt)) {}

  Result<int> rotate() {
    const auto fresh = new_password(options_.new_from);
    if (!fresh) return fail(fresh.error());
    const auto use = *options_.use;
    Seat seat(options_, use);
    auto rotation = make(seat, use);
    auto outcome = rotation.run(*fresh, !options_.new_from.empty(), options_.wait);
    if (!outcome) return fail(outcome.error());
    const std::string_view result = outcome->resumed ? "resumed" : "changed";
    if (options_.json) {
      auto out = as_json(use, outcome->states);
      out.set("result", std::string(result));
      std::cout << model::to_json_pretty(out) << "\n";
    } else {
      std::cout << fmt::format("the password {} of {} is changed{}\n", to_string(use), scope_,
                               outcome->resumed ? ": the change that was begun before" : "");
    }
    return 0;
  }

  Result<int> show() {
    Table table{.title = fmt::format(" Passwords: {} ", scope_),
                .columns = {{"Password"}, {"Member"}, {"File"}, {"Holds"}, {"PostgreSQL takes"}},
                .rows = {}};
    model::Value list = model::Value::array();
    bool good = true;
    for (const auto use : model::kPasswordUses) {
      if (options_.use && *options_.use != use) continue;
      Seat seat(options_, use);
      const auto states = make(seat, use).look();
      if (!states && options_.use) return fail(states.error());
      if (!states) {
        model::Value one = model::Value::object();
        one.set("password", std::string(to_string(use)));
        one.set("problem", states.error().text());
        list.push_back(std::move(one));
        table.rows.push_back(row(use, {.problem = states.error().message}));
        good = false;
        continue;
      }
      list.push_back(as_json(use, *states));
      for (const auto& state : *states) {
        table.rows.push_back(row(use, state));
        good = good && state.problem.empty();
      }
    }
    if (options_.json) {
      model::Value out = model::Value::object();
      out.set("passwords", std::move(list));
      std::cout << model::to_json_pretty(out) << "\n";
    } else {
      std::cout << render(table);
    }
    return good ? 0 : 1;
  }

 private:
  Rotation make(Seat& seat, PasswordUse use) {
    return Rotation(
        {scope_}, use, salt_, [&seat] { return seat.sit(); },
        [this](const std::string& text) {
          if (!options_.json) std::cout << text << "\n" << std::flush;
        });
  }
  static std::vector<Cell> row(PasswordUse use, const SecretState& state) {
    return {{std::string(to_string(use))},
            {state.member},
            {state.file},
            {state.problem.empty() ? std::string(holds(state)) : state.problem},
            {state.problem.empty() ? std::string(takes(state, use)) : std::string()}};
  }

  const SecretsOptions& options_;
  std::string scope_, salt_;
};

int failed(const Error& error) {
  std::cout << std::flush;
  std::cerr << fmt::format("error: {}\n", error.message);
  if (!error.hint.empty()) std::cerr << fmt::format("hint: {}\n", error.hint);
  return 1;
}

}  // namespace

int secrets_main(int argc, char** argv) {
  const auto options = parse_secrets_options({argv + 1, static_cast<std::size_t>(argc - 1)});
  if (!options) {
    std::cerr << fmt::format(
        "error: {}\nhint: {}\n", options.error().message,
        options.error().hint.empty() ? "aurum secrets --help" : options.error().hint);
    return 2;
  }
  if (options->help) {
    std::cout << kSecretsHelp;
    return 0;
  }
  const auto config = load(*options);
  if (!config) return failed(config.error());
  const auto salt = runtime::random_word(16);
  if (!salt) return failed(salt.error());
  Command command(*options, config->scope, *salt);
  const auto code = options->action == "rotate" ? command.rotate() : command.show();
  if (!code) return failed(code.error());
  std::cout << std::flush;
  return std::cout ? *code : 1;
}

}  // namespace aurum::cli
