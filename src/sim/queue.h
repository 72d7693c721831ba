#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>
#include <vector>

#include "base/time.h"

namespace aurum::sim {

/// A callable kept in place: a simulated second is a hundred of them, and an allocation for each
/// would be most of the work. Larger ones go to the heap.
class Action {
 public:
  Action() = default;
  template <class F>
    requires(!std::is_same_v<std::decay_t<F>, Action>)
  Action(F&& what) {
    using T = std::decay_t<F>;
    if constexpr (sizeof(T) <= kRoom && alignof(T) <= alignof(std::max_align_t)) {
      new (room_) T(std::forward<F>(what));
      call_ = [](void* room) { (*static_cast<T*>(room))(); };
      move_ = [](void* from, void* to) {
        T* const object = static_cast<T*>(from);
        if (to != nullptr) new (to) T(std::move(*object));
        object->~T();
      };
    } else {
      *this = Action([boxed = std::make_unique<T>(std::forward<F>(what))] { (*boxed)(); });
    }
  }
  Action(Action&& other) noexcept { take(other); }
  Action& operator=(Action&& other) noexcept {
    if (this == &other) return *this;
    clear();
    take(other);
    return *this;
  }
  ~Action() { clear(); }
  void operator()() { call_(room_); }

 private:
  static constexpr std::size_t kRoom = 80;
  void take(Action& other) {
    if (other.call_ == nullptr) return;
    other.move_(other.room_, room_);
    call_ = std::exchange(other.call_, nullptr);
    move_ = std::exchange(other.move_, nullptr);
  }
  void clear() {
    if (call_ != nullptr) move_(room_, nullptr);
    call_ = nullptr;
  }

  alignas(std::max_align_t) std::byte room_[kRoom];
  void (*call_)(void*) = nullptr;
  void (*move_)(void*, void*) = nullptr;  ///< to nullptr: destroys
};

struct Node;

/// What is to happen, in order of time; at one time in the order it was put in.
class Queue {
 public:
  /// Whose work it is: it waits while that process is paused, and is dropped when its instance is
  /// gone.
  enum class Process : std::uint8_t { world, loop, lease_thread, server, guard };
  struct Item {
    Action what;
    Node* node = nullptr;
    int life = 0;
    Process process = Process::world;
    bool held_by_pause = false;
  };

  bool empty() const { return heap_.empty(); }
  Instant next() const { return heap_.front().at; }
  void put(Instant at, Item item) { push({at, ++sequence_, store(std::move(item))}); }
  /// The first one, taken out. `order` is its place among those of the same time.
  Item take(std::uint64_t& order) {
    std::pop_heap(heap_.begin(), heap_.end(), later);
    const Entry first = heap_.back();
    heap_.pop_back();
    order = first.sequence;
    free_.push_back(first.slot);
    return std::move(items_[first.slot]);
  }
  /// Puts one back that can not happen yet, before all that was put in after it.
  void put_back(Instant at, std::uint64_t order, Item item) {
    item.held_by_pause = true;
    push({at, order, store(std::move(item))});
  }
  /// What waits for a later time than `at` and was put back, now happens at `at`.
  template <class Which>
  void hurry(Instant at, const Which& which) {
    for (Entry& entry : heap_) {
      if (entry.at > at && which(items_[entry.slot])) entry.at = at;
    }
    std::make_heap(heap_.begin(), heap_.end(), later);
  }

 private:
  struct Entry {
    Instant at;
    std::uint64_t sequence;
    std::uint32_t slot;
  };
  static bool later(const Entry& a, const Entry& b) {
    return a.at != b.at ? a.at > b.at : a.sequence > b.sequence;
  }
  std::uint32_t store(Item item) {
    if (free_.empty()) {
      items_.push_back(std::move(item));
      return static_cast<std::uint32_t>(items_.size() - 1);
    }
    const std::uint32_t slot = free_.back();
    free_.pop_back();
    items_[slot] = std::move(item);
    return slot;
  }
  void push(Entry entry) {
    heap_.push_back(entry);
    std::push_heap(heap_.begin(), heap_.end(), later);
  }

  std::vector<Entry> heap_;
  std::vector<Item> items_;
  std::vector<std::uint32_t> free_;
  std::uint64_t sequence_ = 0;
};

}  // namespace aurum::sim
