#include "route/pgbouncer.h"

namespace aurum::route {

Pgbouncer::Pgbouncer(boost::asio::any_io_executor executor, Address door)
    : executor_(std::move(executor)), door_(std::move(door)) {}

Task<Status> Pgbouncer::connect(pg::Session& session, const model::RoutingConfig& config,
                                Duration timeout) {
  pg::Keywords keywords{{"host", door_.host},
                        {"hostaddr", door_.endpoints.front().address().to_string()},
                        {"port", std::to_string(door_.endpoints.front().port())},
                        {"dbname", "pgbouncer"},
                        {"user", config.pgbouncer_user},
                        {"password", config.pgbouncer_password},
                        {"application_name", "aurum"},
                        {"gssencmode", "disable"}};
  if (!config.ca_file.empty()) {
    keywords.emplace_back("sslmode", "verify-full");
    keywords.emplace_back("sslrootcert", config.ca_file);
  }
  auto connected = co_await session.connect(std::move(keywords), timeout);
  if (!connected) co_return fail(connected.error().within(door_.text()));
  co_return Status{};
}

Task<Status> Pgbouncer::open(model::RoutingConfig config, Duration timeout) {
  if (in_use_) co_return Status{};
  in_use_ = true;
  Status opened;
  const bool idle = console_ && console_->phase() == pg::Session::Phase::idle;
  if (idle) {
    auto answer = co_await console_->query("SHOW VERSION", timeout);
    if (!answer) opened = fail(answer.error());
  }
  if (!idle || !opened) {
    auto session = std::make_unique<pg::Session>(executor_);
    opened = co_await connect(*session, config, timeout);
    console_ = opened ? std::move(session) : nullptr;
  }
  in_use_ = false;
  co_return opened;
}

Task<Status> Pgbouncer::pause(Duration limit) {
  if (in_use_ || !console_ || console_->phase() != pg::Session::Phase::idle)
    co_return fail(Code::unavailable, door_.text() + " was not there before");
  in_use_ = true;
  auto paused = co_await console_->query("PAUSE", limit);
  in_use_ = false;
  if (!paused) co_return fail(paused.error().within(door_.text()));
  co_return Status{};
}

Task<Status> Pgbouncer::resume(model::RoutingConfig config, Duration timeout) {
  pg::Session session(executor_);
  auto connected = co_await connect(session, config, timeout);
  if (!connected) co_return connected;
  auto resumed = co_await session.query("RESUME", timeout);
  // It was not paused: so much the better.
  const bool idle = !resumed && resumed.error().message.find("not paused") != std::string::npos;
  if (!resumed && !idle) co_return fail(resumed.error().within(door_.text()));
  co_return Status{};
}

}  // namespace aurum::route
