#include "stack/bench_page.h"

#include <algorithm>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fence/lease_page_layout.h"
#include "fence/protocol.h"
#include "runtime/clock.h"
#include "stack/nap.h"

namespace aurum::stack {

namespace {

constexpr Duration kLookEvery = milliseconds(2);
/// No page is renewed, given up or taken within so short a time.
constexpr Duration kBlind = milliseconds(100);

const AurumLeasePage* map(const std::filesystem::path& file) {
  const int fd = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
  if (fd < 0) return nullptr;
  struct stat facts{};
  void* at = MAP_FAILED;
  if (::fstat(fd, &facts) == 0 && facts.st_size >= AURUM_LEASE_PAGE_SIZE)
    at = ::mmap(nullptr, AURUM_LEASE_PAGE_SIZE, PROT_READ, MAP_SHARED, fd, 0);
  ::close(fd);
  if (at == MAP_FAILED) return nullptr;
  const auto* page = static_cast<const AurumLeasePage*>(at);
  if (page->magic == AURUM_LEASE_PAGE_MAGIC && page->version == AURUM_LEASE_PAGE_VERSION)
    return page;
  ::munmap(at, AURUM_LEASE_PAGE_SIZE);
  return nullptr;
}

/// In the order of aurum_fence, so that a page which is changed meanwhile allows what it allows
/// there.
Instant allowed_until(const AurumLeasePage& page) {
  const auto state = __atomic_load_n(&page.state, __ATOMIC_ACQUIRE);
  const auto deadline = __atomic_load_n(&page.deadline_ns, __ATOMIC_ACQUIRE);
  if (state == AURUM_LEASE_PAGE_MAINTENANCE) return kNever;
  return state == AURUM_LEASE_PAGE_LEASED ? Instant{deadline} : Instant{0};
}

}  // namespace

void add_look(std::vector<PageSpan>& spans, Instant before, Instant after, Instant until) {
  if (!spans.empty() && spans.back().until == until && before - spans.back().to <= kBlind) {
    spans.back().to = before;
  } else {
    spans.push_back({after, before, until});
  }
}

Past judge_past(const std::vector<PageSpan>& spans, Instant sent, Instant acked) {
  // From the look before the question to the one behind the answer.
  auto at = std::upper_bound(spans.begin(), spans.end(), sent,
                             [](Instant t, const PageSpan& span) { return t < span.from; });
  bool covered = at != spans.begin();
  if (covered) --at;
  bool allowed_once = false, allowed_at_end = false;
  Instant seen_to = covered ? at->to : sent;
  for (; at != spans.end(); ++at) {
    if (at->from > seen_to && at->from - seen_to > kBlind) covered = false;
    allowed_once = allowed_once || at->until > sent;
    allowed_at_end = at->until > acked;
    seen_to = std::max(seen_to, at->to);
    if (at->to >= acked) break;
  }
  if (at == spans.end()) covered = false;
  if (covered && !allowed_once) return Past::yes;
  return covered && allowed_at_end ? Past::no : Past::maybe;
}

struct PageWatch::Page {
  std::vector<std::filesystem::path> places;
  const AurumLeasePage* page = nullptr;
};

PageWatch::PageWatch(const Cluster& cluster) {
  for (std::size_t i = 0; i < cluster.plan().nodes.size(); ++i) {
    pages_.emplace_back();
    for (const auto& dir : cluster.run_dirs(i))
      pages_.back().places.push_back(dir / fence::kPageName);
  }
  spans_.resize(pages_.size());
  thread_ = std::jthread([this](const std::stop_token& stop) { watch(stop); });
}

PageWatch::~PageWatch() {
  thread_ = {};
  for (Page& page : pages_)
    if (page.page != nullptr)
      ::munmap(const_cast<AurumLeasePage*>(page.page), AURUM_LEASE_PAGE_SIZE);
}

Status PageWatch::wait_for_all(Duration timeout) const {
  const Instant until = runtime::now() + timeout;
  for (std::size_t i = 0; i < pages_.size();) {
    if (!seen(i).empty()) {
      ++i;
    } else if (runtime::now() < until) {
      nap(milliseconds(20));
    } else {
      std::string places;
      for (const auto& file : pages_[i].places)
        places += (places.empty() ? "" : " nor ") + file.string();
      return fail(Code::not_found, "cannot read a lease page: neither " + places);
    }
  }
  return {};
}

std::vector<PageSpan> PageWatch::seen(std::size_t node) const {
  const std::lock_guard lock(mutex_);
  return spans_.at(node);
}

void PageWatch::watch(const std::stop_token& stop) {
  while (!stop.stop_requested()) {
    {
      const std::lock_guard lock(mutex_);
      for (std::size_t i = 0; i < pages_.size(); ++i) {
        for (const auto& file : pages_[i].places)
          if (pages_[i].page == nullptr) pages_[i].page = map(file);
        if (pages_[i].page == nullptr) continue;
        const Instant before = runtime::now();
        const Instant until = allowed_until(*pages_[i].page);
        add_look(spans_[i], before, runtime::now(), until);
      }
    }
    nap(kLookEvery);
  }
}

}  // namespace aurum::stack
