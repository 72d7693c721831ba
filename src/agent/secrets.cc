// This member's part in the change of a password (docs/decisions/0018): each step may be asked for
// again; a look, which is one too, says what is there.

#include <algorithm>
#include <filesystem>
#include <sys/stat.h>
#include <utility>

#include <fmt/format.h>

#include "agent/agent.h"
#include "model/decode.h"
#include "model/rotation.h"
#include "model/secret_file.h"
#include "pg/files.h"
#include "pg/scram.h"

namespace aurum::agent {

namespace fs = std::filesystem;
using model::PasswordUse;
using model::RotationStep;
using model::SecretFile;
using runtime::Task;

struct Agent::SecretWork {
  PasswordUse use = PasswordUse::superuser;
  std::string step, salt, target, given;
  model::PasswordSource source;
  SecretFile secret;  ///< of the first file, as it is on the disk

  bool is_target(const std::string& password) const {
    return !password.empty() && pg::password_fingerprint(password, salt) == target;
  }
};

namespace {

/// What to write is said by its words, never by its value.
std::string what_to_write(const SecretFile& secret) {
  const auto hint = [](const char* lines, const char* then) {
    return fmt::format("Write into it, in place: {}; {}", lines, then);
  };
  constexpr const char* kAgain = "then run the command again.";
  if (!secret.next.empty())
    return hint("the present password, and below it a line \"next: NEW\"", kAgain);
  if (!secret.previous.empty())
    return hint("the new password, and below it a line \"previous: FORMER\"", kAgain);
  return hint("the new password alone", "that is the end: aurum secrets show tells how each stands.");
}

/// Behind symbolic links, so that these stay.
Status write_secret(const fs::path& file, const SecretFile& secret) {
  std::error_code ec;
  const fs::path real = fs::canonical(file, ec);
  struct stat facts{};
  if (ec || ::stat(real.c_str(), &facts) != 0)
    return fail(Code::io, fmt::format("cannot find {}", file.string()));
  auto written = pg::write_file(real, model::render_secret_file(secret), facts.st_mode & 0777);
  if (written) return {};
  Error error = written.error();
  error.hint = what_to_write(secret);
  return fail(std::move(error));
}

/// The file as the step leaves it; the same where there is nothing to do.
SecretFile stepped(const SecretFile& now, const std::string& step, const std::string& given) {
  if (step == to_string(RotationStep::prepare)) {
    if (now.in_use == given || now.next == given) return now;
    return {.in_use = now.in_use, .next = given, .previous = {}};
  }
  if (step == to_string(RotationStep::finish))
    return {.in_use = now.in_use, .next = {}, .previous = {}};
  if (now.next.empty()) return now;
  return {.in_use = now.next, .next = {}, .previous = now.in_use};
}

model::Value refusal(const Error& error) {
  model::Value out = model::Value::object();
  out.set("error", error.message);
  out.set("hint", error.hint);
  return out;
}

bool is_loaded(const model::LocalConfig& config, PasswordUse use, const SecretFile& secret) {
  const auto same = [&secret](const auto& login) {
    return login.password == secret.in_use && login.other_password == secret.other();
  };
  switch (use) {
    case PasswordUse::superuser:
      return same(config.pg.superuser);
    case PasswordUse::replication:
      return same(config.pg.replication);
    case PasswordUse::rewind:
      return same(config.pg.rewind);
    case PasswordUse::rest:
      return same(config.rest) &&
             (config.ctl.username.empty() || config.ctl.password == secret.in_use);
  }
  return false;
}

}  // namespace

Task<std::pair<int, model::Value>> Agent::secrets(model::Value request) {
  SecretWork work;
  const auto use = model::parse_password_use(model::text_at(request, "password"));
  work.step = model::text_at(request, "step");
  work.salt = model::text_at(request, "salt");
  work.target = model::text_at(request, "target");
  work.given = model::text_at(request, "new");
  const auto steps = {RotationStep::prepare, RotationStep::alter, RotationStep::change,
                      RotationStep::finish};
  const bool known = work.step == "look" || std::ranges::any_of(steps, [&](RotationStep step) {
                       return work.step == to_string(step);
                     });
  if (!use || !known || work.salt.empty())
    co_return std::pair{400, refusal({Code::invalid, "not a step of a password's change", {}})};
  if (std::exchange(changing_secret_, true))
    co_return std::pair{409, refusal({Code::exists, "another step is under way here", {}})};
  work.use = *use;
  auto done = co_await step_secret(work);
  // Behind a step nothing is asked: the other members wait for their turn (the gap of 0018).
  model::SecretState state;
  if (work.step == "look") state = co_await look_at_secret(work);
  changing_secret_ = false;
  if (!done && work.step != "look") {
    log_->warn("secrets", fmt::format("{} of the password {}: {}", work.step, to_string(work.use),
                                      done.error().text()));
    co_return std::pair{409, refusal(done.error())};
  }
  if (!done) state.problem = done.error().text();
  co_return std::pair{200, model::encode_secret_state(state)};
}

/// Reads the file, does the step, and takes up what the file holds then.
Task<Status> Agent::step_secret(SecretWork& work) {
  auto source = model::password_source(config_, options_.env, work.use);
  if (!source) co_return fail(source.error());
  work.source = std::move(*source);
  const auto file = work.source.files.front();
  auto secret = co_await runtime::in_pool(pool_, [file] { return model::load_secret_file(file); });
  if (!secret) co_return fail(secret.error());
  work.secret = std::move(*secret);
  Status done;
  if (work.step != "look") {
    done = co_await may_step(work);
    if (done && work.step == to_string(RotationStep::alter)) done = co_await alter_role(work);
    if (done) done = co_await write_secrets(work);
  }
  auto taken_up = co_await take_up_secret(work);
  if (!done) co_return done;
  co_return taken_up;
}

/// Whether the step keeps what docs/decisions/0018 promises, whoever asks for it.
Task<Status> Agent::may_step(const SecretWork& work) {
  const SecretFile& secret = work.secret;
  const auto wrong = [](std::string why) {
    return fail(Code::rejected, std::move(why), "Look at it: aurum secrets show");
  };
  if (work.step == to_string(RotationStep::prepare)) {
    if (!work.is_target(work.given)) co_return wrong("the new password is not the one announced");
    const auto good = model::check_new_password(work.given);
    if (!good) co_return good;
    if (secret.in_use == work.given) co_return Status{};
    if (!secret.previous.empty()) co_return wrong("the change before this one is not finished");
    if (secret.next.empty() || secret.next == work.given) co_return Status{};
    // Somebody's `next` may only be dropped while no server has it.
    const auto takes = co_await takes_password(work, secret.next);
    if (!takes) co_return fail(takes.error());
    if (*takes) co_return wrong("PostgreSQL takes another new password already");
    co_return Status{};
  }
  if (work.step == to_string(RotationStep::finish)) {
    if (!work.is_target(secret.in_use)) co_return wrong("the new password is not in use here");
    const auto takes = co_await takes_password(work, secret.in_use);
    if (!takes) co_return fail(takes.error());
    if (!*takes) co_return wrong("PostgreSQL here does not take the new password yet");
    co_return Status{};
  }
  if (!work.is_target(secret.next) && !work.is_target(secret.in_use))
    co_return wrong("this member does not have the new password");
  co_return Status{};
}

/// Whether the server here lets the role in with it; nothing to ask for rest.
Task<Result<bool>> Agent::takes_password(const SecretWork& work, std::string password) {
  if (work.source.role.empty()) co_return work.step == to_string(RotationStep::finish);
  auto kept = co_await postgres_->role_secret(work.source.role);
  if (!kept) co_return fail(kept.error());
  co_return pg::takes_password(*kept, work.source.role, password);
}

Task<Status> Agent::alter_role(const SecretWork& work) {
  if (work.source.role.empty()) co_return fail(Code::rejected, "rest is not a role of PostgreSQL");
  if (!leads_and_writes())
    co_return fail(Code::rejected, "this member does not lead", "Run the command again.");
  const std::string fresh =
      work.is_target(work.secret.next) ? work.secret.next : work.secret.in_use;
  auto altered = co_await postgres_->set_role_password(work.source.role, fresh);
  if (altered) log_->info("secrets", fmt::format("role {} has the new password", work.source.role));
  co_return altered;
}

Task<Status> Agent::write_secrets(SecretWork& work) {
  for (const auto& file : work.source.files) {
    auto written = co_await runtime::in_pool(pool_, [file, &work]() -> Status {
      const auto now = model::load_secret_file(file);
      if (!now) return fail(now.error());
      const SecretFile then = stepped(*now, work.step, work.given);
      return then == *now ? Status{} : write_secret(file, then);
    });
    if (!written) co_return written;
    log_->info("secrets",
               fmt::format("{} of the password {} in {}", work.step, to_string(work.use), file));
  }
  work.secret = stepped(work.secret, work.step, work.given);
  co_return Status{};
}

/// Also what an operator wrote by hand. A file that could not be written is no reason to leave
/// libpq's own file with a password that is not taken any more.
Task<Status> Agent::take_up_secret(const SecretWork& work) {
  const bool fresh = !is_loaded(config_, work.use, work.secret);
  if (fresh) read_config_again();
  if (work.use != PasswordUse::rest && (fresh || work.step != "look")) {
    auto written = co_await postgres_->rewrite_passfile();
    if (!written) co_return written;
  }
  if (is_loaded(config_, work.use, work.secret)) co_return Status{};
  if (work.use == PasswordUse::rest && config_.ctl.password != config_.rest.password)
    co_return fail(Code::invalid, "ctl.authentication has another password than restapi",
                   "Give both the same one.");
  co_return fail(Code::invalid, "the agent could not read its configuration again",
                 "Its log says why.");
}

Task<model::SecretState> Agent::look_at_secret(const SecretWork& work) {
  model::SecretState state;
  state.member = config_.name;
  state.leads = view().is_leader;
  if (work.source.files.empty()) co_return state;
  state.file = work.source.files.front();
  const auto mark = [&work](const std::string& password) {
    return password.empty() ? std::string() : pg::password_fingerprint(password, work.salt);
  };
  const SecretFile& secret = work.secret;
  state.in_use = mark(secret.in_use);
  state.next = mark(secret.next);
  state.previous = mark(secret.previous);
  if (work.source.role.empty()) co_return state;
  auto kept = co_await postgres_->role_secret(work.source.role);
  if (!kept) {
    state.problem = "its PostgreSQL can not be asked: " + kept.error().text();
    co_return state;
  }
  for (const auto* one : {&secret.in_use, &secret.next, &secret.previous})
    if (!one->empty() && pg::takes_password(*kept, work.source.role, *one))
      state.server = mark(*one);
  co_return state;
}

}  // namespace aurum::agent
