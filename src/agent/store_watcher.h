#pragma once

#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/steady_timer.hpp>

#include "base/time.h"
#include "core/event.h"
#include "dcs/store.h"
#include "model/cluster.h"
#include "runtime/async.h"
#include "runtime/log.h"

namespace aurum::agent {

using runtime::Task;

/// Keeps a copy of everything below the cluster's base path: one read, then a watch, again after
/// every end of the watch. Each change is posted as a whole DcsSnapshot; failures as DcsFailed. A
/// value that can not be read is said once. Runs on the loop.
class StoreWatcher {
 public:
  using Post = std::function<void(core::Event)>;

  StoreWatcher(dcs::Store& store, boost::asio::any_io_executor executor, Post post,
               runtime::Logger& log);

  /// Reads and watches until stop(). `silence`: a watch that hears nothing for so long asks whether
  /// it is alive.
  Task<void> run(Duration silence);
  /// Reads now, whatever the watch does; the answer is posted.
  Task<void> refresh(Duration timeout);
  void stop();
  /// The keys below a prefix as they were seen last.
  std::vector<model::KeyValue> keys_below(std::string_view prefix) const;

 private:
  void accept(const dcs::Keys& keys, Instant sent_at);
  void apply(const dcs::WatchBatch& batch);
  void post(Instant seen_at);
  void tell_unreadable();

  dcs::Store& store_;
  Post post_;
  runtime::Logger& log_;
  boost::asio::steady_timer timer_;
  bool stopped_ = false;
  model::Revision revision_ = 0;
  std::map<std::string, model::KeyValue> keys_;
  std::map<std::string, model::Revision> judged_;  ///< the version of each key that was looked at
};

}  // namespace aurum::agent
