#pragma once

#include <filesystem>

/// Tells `aurum archive-get` that its server is being promoted. PostgreSQL's own sign, the file
/// `promote`, is gone as soon as the server has taken the request (CheckForStandbyTrigger), and
/// only then it asks for the next timelines' histories: a repository that hangs held up the
/// promotion for as long as a standby waits (backups_test: of_a_dead_repository_delay_nobody).
namespace aurum::backup {

/// While it lives, in the run directory of the agent that promotes.
class PromotionMark {
 public:
  /// Of the server that runs on `data_dir`. Where none runs, or nothing can be written, nothing is
  /// marked: a promotion must not fail for it.
  PromotionMark(const std::filesystem::path& state_dir, const std::filesystem::path& data_dir);
  ~PromotionMark();
  PromotionMark(const PromotionMark&) = delete;
  PromotionMark& operator=(const PromotionMark&) = delete;

 private:
  std::filesystem::path file_;
};

/// Whether the very server that runs on `data_dir` is marked: what an agent that was killed has
/// left says nothing of a later one.
bool promotion_is_marked(const std::filesystem::path& state_dir,
                         const std::filesystem::path& data_dir);

}  // namespace aurum::backup
