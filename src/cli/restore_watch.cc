#include "cli/restore_watch.h"

#include <algorithm>
#include <ostream>

#include <fmt/format.h>

#include "backup/kept_data.h"

namespace aurum::cli {

using model::Restore;
using model::RestoreStep;

namespace {

constexpr Duration kLook = milliseconds(500);
constexpr int kSilentReads = 60;  ///< of the store, half a minute

std::string what_to_do(const Restore& restore) {
  switch (restore.step) {
    case RestoreStep::done:
      if (restore.kept == model::kInPlace)
        return fmt::format(
            "{} keeps the old data and stays out of the cluster: it had no room for both.\n"
            "Look at the data, then: aurum restore --confirm  (or --undo)\n",
            restore.keeper);
      if (restore.discard || restore.kept == backup::kNothingKept)
        return "Look at the data, then: aurum restore --confirm\n";
      return fmt::format(
          "The old data is kept on {} in\n  {}\n"
          "Look at the restored data, then: aurum restore --confirm  (or --undo)\n",
          restore.keeper, restore.kept);
    case RestoreStep::check:
      return "Nothing was changed.\n";
    default:
      return "Mend it, then: aurum restore --continue  (or --undo)\n";
  }
}

std::string stopped_members(const model::ClusterView& view) {
  std::size_t down = 0;
  for (const auto& [name, member] : view.members)
    down += member.state == model::PgState::stopped ? 1 : 0;
  return fmt::format("{} of {} stopped", down, view.members.size());
}

std::string rebuilt_members(const model::ClusterView& view) {
  const Restore& restore = *view.restore;
  std::size_t back = 0;
  for (const auto& [name, member] : view.members)
    if (member.state == model::PgState::running && member.timeline.value_or(0) >= restore.opened)
      ++back;
  return fmt::format(
      "{} of {} on timeline {}{}", back, view.members.size(), restore.opened,
      restore.new_backup.empty() ? ", backup under way" : ", backup " + restore.new_backup);
}

/// What moves within the present step; "" if nothing is known.
std::string detail(const model::ClusterView& view) {
  const Restore& restore = *view.restore;
  switch (restore.step) {
    case RestoreStep::stop:
    case RestoreStep::undo_stop:
      return stopped_members(view);
    case RestoreStep::open: {
      const model::Member* node = view.member(restore.node);
      return node != nullptr && node->replay_lsn
                 ? "replayed to " + model::to_string(*node->replay_lsn)
                 : "";
    }
    case RestoreStep::rebuild:
      return rebuilt_members(view);
    default:
      return view.restore_progress;
  }
}

/// On a terminal the present step is one line that changes; else one line for each step.
class Shown {
 public:
  explicit Shown(Console& console) : console_(console) {}
  void show(const model::ClusterView& view) {
    const std::string sentence = step_sentence(*view.restore);
    if (sentence != sentence_) {
      end_line();
      sentence_ = sentence;
      if (!console_.terminal) console_.out << "  " << sentence << "\n" << std::flush;
    }
    if (!console_.terminal) return;
    const std::string more = detail(view);
    std::string line = "  " + sentence + (more.empty() ? "" : ": " + more);
    if (line.size() > 79) line.resize(79);
    if (line == line_) return;
    line_ = line;
    console_.out << "\r" << line << "\033[K" << std::flush;
  }
  void end_line() {
    if (console_.terminal && !line_.empty()) console_.out << "\n";
    line_.clear();
  }

 private:
  Console& console_;
  std::string sentence_, line_;
};

int ended_with_error(World& world, const ClusterId& cluster, const model::ClusterView& view,
                     Console& console) {
  const Restore& restore = *view.restore;
  console.err << fmt::format("error: {}\n{}", restore.error, what_to_do(restore));
  // Nothing has begun, so nothing has to be ended.
  if (restore.step == RestoreStep::check)
    static_cast<void>(world.txn(
        cluster, {.when = {{.key = "aurum_restore",
                            .what = model::Compare::What::mod_revision,
                            .number = view.restore_revision}},
                  .then = {{.what = model::Write::What::erase, .key = "aurum_restore"}}}));
  return 1;
}

}  // namespace

std::string step_sentence(const Restore& restore) {
  switch (restore.step) {
    case RestoreStep::check:
      return fmt::format("{} looks for the backup, and for room", restore.node);
    case RestoreStep::stop:
      return "all members stop PostgreSQL";
    case RestoreStep::fetch:
      return fmt::format("{} restores {}", restore.node, restore.backup);
    case RestoreStep::open:
      return fmt::format("{} replays WAL", restore.node);
    case RestoreStep::rebuild:
      return fmt::format("{} leads; the others are rebuilt", restore.node);
    case RestoreStep::done:
      return fmt::format("restored to {}", model::describe(restore.target));
    case RestoreStep::confirm:
      return fmt::format("{} removes the old data", restore.keeper);
    case RestoreStep::undo_stop:
      return "all members stop PostgreSQL, to undo the restore";
    case RestoreStep::undo:
      return fmt::format("{} leads again with its old data", restore.keeper);
  }
  return {};
}

std::string render_restore(const model::ClusterView& view) {
  if (!view.restore) return "no restore is on\n";
  const Restore& restore = *view.restore;
  std::string out = fmt::format("restore {} to {}\n", restore.id, model::describe(restore.target));
  for (const auto& mark : restore.marks)
    out += fmt::format("  {}  {:<9} by {}\n", mark.at.substr(0, 19), model::to_string(mark.step),
                       mark.by);
  out += fmt::format("now: {}", step_sentence(restore));
  const std::string more = detail(view);
  out += more.empty() ? "\n" : fmt::format(" ({})\n", more);
  if (!restore.error.empty()) out += "error: " + restore.error + "\n";
  if (!restore.error.empty() || restore.step == RestoreStep::done) out += what_to_do(restore);
  return out;
}

std::string restore_json(const model::ClusterView& view) {
  if (!view.restore) return "{}\n";
  const auto tree = model::parse_json(model::encode_restore(*view.restore));
  return model::to_json_pretty(*tree) + "\n";
}

int watch_restore(World& world, const ClusterId& cluster, Console& console) {
  Shown shown(console);
  std::optional<Restore> last;
  for (int silent = 0;; world.sleep(kLook)) {
    const auto view = world.read(cluster);
    if (!view) {
      if (++silent < kSilentReads) continue;
      shown.end_line();
      console.err << fmt::format("error: {}\nThe agents go on: aurum restore --status\n",
                                 view.error().message);
      return 1;
    }
    silent = 0;
    if (!view->restore) {
      shown.end_line();
      const bool undone =
          last && (last->step == RestoreStep::undo || last->step == RestoreStep::undo_stop);
      console.out << (undone ? "undone: the cluster has its old data again\n"
                      : last ? "the old data is removed\n"
                             : "no restore is on\n");
      return 0;
    }
    last = view->restore;
    shown.show(*view);
    if (!last->error.empty()) {
      shown.end_line();
      return ended_with_error(world, cluster, *view, console);
    }
    if (last->step == RestoreStep::done) {
      shown.end_line();
      console.out << what_to_do(*last);
      return 0;
    }
  }
}

}  // namespace aurum::cli
