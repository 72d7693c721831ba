#pragma once

#include <cstddef>
#include <cstdint>

/// What guard and agent say to each other: one message is one packet of a SOCK_SEQPACKET socket, a
/// Header and its payload, in native byte order. A request is answered by `done` or `failed` with
/// the same id; `exited` is pushed to every client. What must stay true: magic, version and kind
/// keep their places in every version, so that a stranger can be told what is wrong (README, 7).
namespace aurum::fence {

inline constexpr const char* kSocketName = "guard.sock";
inline constexpr const char* kLockName = "guard.lock";
inline constexpr const char* kPageName = "lease";
inline constexpr std::size_t kMaxMessage = 131'072;

enum class MessageKind : std::uint16_t {
  // requests
  launch = 1,  ///< value = number of arguments; payload: working directory, arguments, environment,
               ///< each with a NUL
  adopt = 2,   ///< pid
  signal = 3,  ///< pid, value = signal number
  kill_all = 4,  ///< pid (0 = whichever runs); answered when no process of the server is left
  status = 5,    ///< payload of the answer: StatusMessage
  watchdog = 7,  ///< value = seconds to arm it for, 0 = only look, -1 = disarm; payload:
                 ///< milliseconds before the deadline in which it is fed no more, device, driver,
                 ///< each with a NUL
  end = 6,       ///< nobody needs the guard any more; refused while any process of a server lives
  // answers and pushes
  done = 100,    ///< pid of the server
  failed = 101,  ///< value = Code; payload: text
  exited = 102,  ///< id 0, pid, value = wait status (wait(2)) or kStatusUnknown
};

/// The wait status of a server that was not our child.
inline constexpr std::int32_t kStatusUnknown = -1;

struct Header {
  static constexpr std::uint32_t kMagic = 0x67727541;  // "Aurg"
  static constexpr std::uint16_t kVersion = 1;

  std::uint32_t magic = kMagic;
  std::uint16_t version = kVersion;
  MessageKind kind = MessageKind::status;
  std::uint64_t id = 0;
  std::int32_t pid = 0;
  std::int32_t value = 0;
};
static_assert(sizeof(Header) == 24);

struct StatusMessage {
  std::int32_t pid = 0;      ///< of the server that lives, 0 = none
  std::int32_t adopted = 0;  ///< 1 = it was not started by this guard
  std::int32_t postmaster =
      0;  ///< 1 = its postmaster runs; 0 with a pid: only the rest of it is left
  std::uint32_t page_state = 0;
  std::int32_t last_pid = 0;     ///< the server that ended last, 0 = none since this guard started
  std::int32_t last_status = 0;  ///< its wait status
  std::int64_t kills = 0;
  std::int32_t guard_pid = 0;
  std::int32_t reserved = 0;
};
static_assert(sizeof(StatusMessage) == 40);

}  // namespace aurum::fence
