#include "pg/callbacks.h"

#include <utility>

#include <boost/asio/bind_cancellation_slot.hpp>
#include <boost/asio/cancellation_signal.hpp>
#include <boost/asio/co_spawn.hpp>

#include "pg/programs.h"
#include "runtime/process.h"

namespace aurum::pg {

namespace asio = runtime::asio;

struct Callbacks::Slot {
  std::shared_ptr<asio::cancellation_signal>
      running;  ///< of the newest command; null when none runs
};

namespace {

constexpr auto kLongest = std::chrono::hours(24);

runtime::Task<void> run(std::vector<std::string> argv, runtime::Logger& log, std::string action) {
  runtime::ProcessSpec spec;
  spec.argv = std::move(argv);
  spec.env = plain_environment();
  spec.timeout = kLongest;
  spec.on_line = [&log, action](std::string_view line) {
    log.info("callback.output", action + ": " + std::string(line));
  };
  auto end = co_await runtime::run_process(std::move(spec));
  if (!end) {
    if (end.error().code != Code::cancelled)
      log.warn("callback.failed", "Callback " + action + " failed: " + end.error().text());
  } else if (!end->ok()) {
    log.warn("callback.failed", "Callback " + action + " failed: " + end->reason());
  }
}

}  // namespace

Callbacks::Callbacks(asio::any_io_executor executor, const model::LocalConfig& config,
                     runtime::Logger& log)
    : executor_(std::move(executor)),
      config_(&config),
      log_(log),
      changes_(std::make_shared<Slot>()),
      reloads_(std::make_shared<Slot>()) {}

Callbacks::~Callbacks() {
  for (const auto& slot : {changes_, reloads_})
    if (slot->running) slot->running->emit(asio::cancellation_type::terminal);
}

bool Callbacks::running() const { return changes_->running || reloads_->running; }

void Callbacks::fire(std::string action, std::string role) {
  const auto* command = config_->pg.callbacks.find(action);
  if (!command || command->empty()) return;
  auto words = runtime::split_words(command->text());
  if (!words || words->empty()) {
    log_.warn("callback.failed",
              "postgresql.callbacks." + action + " is no command: " + command->text());
    return;
  }
  for (auto* word : {&action, &role}) words->push_back(*word);
  words->push_back(config_->scope);

  auto slot = action == "on_reload" ? reloads_ : changes_;
  if (slot->running) {
    log_.info("callback.killed", "Killing the former callback, " + action + " takes its place");
    slot->running->emit(asio::cancellation_type::terminal);
  }
  // Shared with the completion: a signal must live until its coroutine has ended.
  auto signal = std::make_shared<asio::cancellation_signal>();
  slot->running = signal;
  asio::co_spawn(executor_, run(std::move(*words), log_, action),
                 asio::bind_cancellation_slot(signal->slot(), [slot, signal](std::exception_ptr) {
                   if (slot->running == signal) slot->running.reset();
                 }));
}

}  // namespace aurum::pg
