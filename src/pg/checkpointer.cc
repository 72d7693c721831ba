#include "pg/checkpointer.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "pg/files.h"

namespace aurum::pg {

namespace {

/// What stands behind "\n<name>:" and blanks.
std::string_view field(std::string_view text, std::string_view name) {
  const auto key = "\n" + std::string(name) + ":";
  const auto at = text.find(key);
  if (at == std::string_view::npos) return {};
  text.remove_prefix(at + key.size());
  text = text.substr(0, text.find('\n'));
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  return text;
}

template <class T>
bool number(std::string_view text, T& out) {
  return std::from_chars(text.data(), text.data() + text.size(), out).ec == std::errc();
}

bool is_stopped(char state) { return state == 'T' || state == 't'; }

}  // namespace

std::optional<Activity> parse_activity(std::string_view text) {
  Activity out;
  std::uint64_t waits = 0, shares = 0;
  const auto state = field(text, "State");
  if (state.empty() || !number(field(text, "PPid"), out.parent) ||
      !number(field(text, "voluntary_ctxt_switches"), waits) ||
      !number(field(text, "nonvoluntary_ctxt_switches"), shares))
    return std::nullopt;
  out.state = state.front();
  out.switches = waits + shares;
  return out;
}

std::optional<Activity> read_activity(int pid) {
  auto text = read_file("/proc/" + std::to_string(pid) + "/status");
  return text ? parse_activity(*text) : std::nullopt;
}

void CheckpointerWatch::found(int pid) {
  *this = {};
  pid_ = pid;
}

void CheckpointerWatch::observe(const std::optional<Activity>& seen, int postmaster, Instant now) {
  if (!seen || seen->parent != postmaster) {
    *this = {};
    return;
  }
  const bool same = last_ && last_->state == seen->state && last_->switches == seen->switches;
  if (!same) since_ = now;
  last_ = seen;
  seen_ = now;
}

Status CheckpointerWatch::judge(Duration hang_limit) const {
  if (!last_) return {};
  const bool stopped = is_stopped(last_->state);
  if (!stopped && last_->state != 'D') return {};
  const Duration stuck = seen_ - since_;
  if (stuck < (stopped ? hang_limit : std::max(hang_limit, kDiskPatience))) return {};
  return fail(Code::timeout,
              "the checkpointer, process " + std::to_string(pid_) +
                  (stopped ? ", is stopped by a signal" : ", waits in the kernel") + " for " +
                  std::to_string(to_ms(stuck)) + " ms",
              stopped ? "Nobody but a debugger should stop it." : "Look at the disks.");
}

}  // namespace aurum::pg
