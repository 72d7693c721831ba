#include "lab/campaign.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <mutex>
#include <thread>

#include "runtime/clock.h"

namespace aurum::lab {

namespace {

void add(Totals& totals, const sim::RunOptions& options, const sim::RunResult& result) {
  ++totals.seeds;
  totals.simulated += result.simulated;
  totals.steps += result.steps;
  totals.acknowledged += result.acknowledged;
  totals.failovers += static_cast<std::uint64_t>(result.failovers);
  const auto longest = [&](Totals::Longest& most, Duration time) {
    if (time > most.time) most = {time, options.seed};
  };
  longest(totals.writer_after, result.writer_after);
  longest(totals.healthy_after, result.healthy_after);
  for (const auto& [kind, times] : result.faults)
    totals.faults[kind] += static_cast<std::uint64_t>(times);
  for (const auto& [kind, times] : result.excused)
    totals.excused[kind] += static_cast<std::uint64_t>(times);
  if (!result.violations.empty()) totals.failed.push_back(options);
}

/// Its threads take seed after seed, and put what came out into the totals under the lock.
class Work {
 public:
  explicit Work(const Campaign& campaign) : campaign_(campaign), next_(campaign.first) {}

  void thread() {
    while (true) {
      sim::RunOptions options = campaign_.options;
      options.seed = next_++;
      if (stop_ || options.seed > campaign_.last) break;
      const sim::RunResult result = sim::run(options);
      const std::scoped_lock lock(mutex_);
      add(totals_, options, result);
      if (totals_.failed.size() >= static_cast<std::size_t>(campaign_.failures_most)) stop_ = true;
    }
    const std::scoped_lock lock(mutex_);
    ++ended_;
    changed_.notify_one();
  }
  /// Waits until all ended, at most `most`; whether they did.
  bool wait(Duration most) {
    std::unique_lock lock(mutex_);
    return changed_.wait_for(lock, most, [&] { return ended_ == campaign_.jobs; });
  }
  Totals totals() {
    const std::scoped_lock lock(mutex_);
    return totals_;
  }
  void stop() { stop_ = true; }

 private:
  const Campaign& campaign_;
  std::atomic<std::uint64_t> next_;
  std::atomic<bool> stop_ = false;
  std::mutex mutex_;
  std::condition_variable changed_;
  Totals totals_;
  int ended_ = 0;
};

}  // namespace

std::uint64_t Totals::faults_begun() const {
  std::uint64_t sum = 0;
  for (const auto& [kind, times] : faults) sum += times;
  return sum;
}

double Totals::hours_per_minute() const {
  return took > Duration{0} ? simulated_hours() * 60 / to_seconds(took) : 0;
}

Totals run_campaign(const Campaign& campaign, const std::function<bool(const Totals&)>& progress) {
  const Instant began = runtime::now();
  Work work(campaign);
  const auto so_far = [&] {
    Totals totals = work.totals();
    totals.took = runtime::now() - began;
    return totals;
  };
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < campaign.jobs; ++i) threads.emplace_back([&work] { work.thread(); });
    while (!work.wait(milliseconds(500))) {
      if (!progress(so_far())) work.stop();
    }
  }
  Totals totals = so_far();
  std::sort(totals.failed.begin(), totals.failed.end(),
            [](const auto& a, const auto& b) { return a.seed < b.seed; });
  return totals;
}

}  // namespace aurum::lab
