#include "agent/jobs.h"

#include <utility>

namespace aurum::agent {

using core::JobResult;
using runtime::Task;

namespace {

Result<JobResult> plain(Status status) {
  if (!status) return fail(status.error());
  return JobResult{};
}

/// One overload per job: what it is in terms of pg/.
struct Runner {
  pg::Postgres& postgres;
  backup::Restorer restorer;
  model::DynamicConfig dynamic;
  JobNews news;

  Task<Result<JobResult>> operator()(core::InitDb) {
    auto made = co_await postgres.initdb(dynamic);
    if (!made) co_return fail(made.error());
    co_return JobResult{core::Initialized{*made}};
  }
  Task<Result<JobResult>> operator()(core::PostBootstrap job) {
    if (job.only_mark) {
      auto ended = co_await postgres.end_founding();
      co_return plain(ended);
    }
    auto done = co_await postgres.post_bootstrap();
    co_return plain(done);
  }
  Task<Result<JobResult>> operator()(core::Clone job) {
    auto done =
        co_await postgres.clone(job.sources, job.only_basebackup, news.progress, job.methods);
    if (!done) co_return fail(done.error());
    co_return JobResult{core::CloneDone{done->source, done->method}};
  }
  Task<Result<JobResult>> operator()(core::StartPg job) {
    auto done = co_await postgres.start(job.target, dynamic, job.timeout);
    co_return plain(done);
  }
  Task<Result<JobResult>> operator()(core::StopPg job) {
    auto last_record = job.tell_last_record ? news.last_record : nullptr;
    auto done = co_await postgres.stop(job.mode, job.timeout, job.checkpoint_first, job.mark_end,
                                       std::move(last_record));
    co_return plain(done);
  }
  Task<Result<JobResult>> operator()(core::RestartPg job) {
    auto done = co_await postgres.restart(job.target, dynamic, job.timeout);
    co_return plain(done);
  }
  Task<Result<JobResult>> operator()(core::Configure job) {
    auto done = co_await postgres.configure(job.target, dynamic, job.reload);
    if (!done) co_return fail(done.error());
    co_return JobResult{core::Configured{*done}};
  }
  Task<Result<JobResult>> operator()(core::Promote job) {
    auto done = co_await postgres.promote(job.above, news.promotion);
    co_return plain(done);
  }
  Task<Result<JobResult>> operator()(core::Checkpoint) {
    auto done = co_await postgres.checkpoint();
    co_return plain(done);
  }
  Task<Result<JobResult>> operator()(core::Inspect job) {
    std::optional<model::Replayed> own;
    if (!job.own_run.empty()) {
      const auto replayed = co_await postgres.replayed();
      if (replayed) own = *replayed;  // else it is judged by what its probes tell
    }
    auto state = co_await postgres.inspect(job.upstream);
    if (!state) co_return fail(state.error());
    co_return JobResult{core::Inspected{std::move(*state), own}};
  }
  Task<Result<JobResult>> operator()(core::CrashRecovery) {
    auto done = co_await postgres.crash_recovery();
    co_return plain(done);
  }
  Task<Result<JobResult>> operator()(core::Rewind job) {
    auto done = co_await postgres.rewind(job.source);
    co_return plain(done);
  }
  Task<Result<JobResult>> operator()(core::ClearData job) {
    if (job.keep_aside) {
      auto aside = co_await postgres.set_aside(job.why);
      co_return plain(aside);
    }
    auto done = co_await postgres.clear_data(job.why);
    co_return plain(done);
  }
  Task<Result<JobResult>> operator()(core::ChangeSlots job) {
    auto done =
        co_await postgres.change_slots({job.create, job.drop, job.advance, job.create_logical});
    co_return plain(done);
  }
  Task<Result<JobResult>> operator()(core::CopySlots job) {
    auto done =
        co_await postgres.copy_slots(job.leader, job.slots, job.target, dynamic, job.timeout);
    if (!done) co_return fail(done.error());
    co_return JobResult{core::SlotsCopied{*done}};
  }
  Task<Result<JobResult>> operator()(core::FindWalEnd job) {
    auto end = co_await postgres.wal_end(job.flushed, job.timeline, job.timeout);
    if (!end) co_return fail(end.error());
    co_return JobResult{core::WalEnd{*end}};
  }
  Task<Result<JobResult>> operator()(core::ReadHistory job) {
    auto history = co_await postgres.read_history(job.timeline);
    if (!history) co_return fail(history.error());
    co_return JobResult{*history};
  }
  Task<Result<JobResult>> operator()(core::RestoreWork job) {
    using What = core::RestoreWork::What;
    Status done;
    std::string text;
    if (job.what == What::keep || job.what == What::backup) {
      auto told = job.what == What::keep ? co_await restorer.keep(job.restore)
                                         : co_await restorer.backup(news.progress);
      if (!told) co_return fail(told.error());
      text = *told;
    } else if (job.what == What::check) {
      done = co_await restorer.check(job.restore);
    } else if (job.what == What::fetch) {
      done = co_await restorer.fetch(job.restore, news.progress);
    } else if (job.what == What::take_back) {
      done = co_await restorer.take_back(job.restore);
    } else {
      done = co_await restorer.forget(job.restore);
    }
    if (!done) co_return fail(done.error());
    co_return JobResult{core::RestoreDone{std::move(text)}};
  }
};

}  // namespace

Task<Result<JobResult>> run_job(pg::Postgres& postgres, backup::Restorer restorer, core::Job job,
                                model::DynamicConfig dynamic, JobNews news) {
  Runner runner{postgres, restorer, std::move(dynamic), std::move(news)};
  auto task = std::visit([&runner](auto&& one) { return runner(std::move(one)); }, std::move(job));
  auto result = co_await std::move(task);
  co_return result;
}

}  // namespace aurum::agent
