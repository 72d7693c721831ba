#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <tl/expected.hpp>

namespace aurum {

/// What kind of failure an Error is. The kind decides how a caller may react; the message is for
/// people.
enum class Code {
  invalid,          ///< the input is wrong; trying again will not help
  not_found,        ///< the thing asked for does not exist
  exists,           ///< the thing to be made is there already
  rejected,         ///< a compare failed or a lease is gone: the world has moved on
  unavailable,      ///< nothing was changed; the other side could not be reached or has no leader
  unknown_outcome,  ///< a write was sent and no answer came: it may or may not have happened
  permission,       ///< credentials or rights
  timeout,          ///< a deadline passed before a read or a local action ended
  io,               ///< the operating system said no
  protocol,         ///< the other side answered something that makes no sense
  cancelled,        ///< we stopped it ourselves
  internal,         ///< a bug or an exhausted bound of ours
};

std::string_view to_string(Code code);

/// A failure as a value. `message` is lower case without a full stop; `hint` is a sentence to the
/// operator.
struct [[nodiscard]] Error {
  Code code = Code::internal;
  std::string message;
  std::string hint;

  /// Adds context on the way up: "<context>: <message>".
  [[nodiscard]] Error within(std::string_view context) const;
  /// "message (hint: …)" on one line.
  [[nodiscard]] std::string text() const;

  friend bool operator==(const Error&, const Error&) = default;
};

template <class T>
using Result = tl::expected<T, Error>;
using Status = Result<void>;

/// The failed side of any Result: `return fail(Code::io, "cannot open …");`
[[nodiscard]] inline tl::unexpected<Error> fail(Code code, std::string message,
                                                std::string hint = {}) {
  return tl::unexpected<Error>(Error{code, std::move(message), std::move(hint)});
}
[[nodiscard]] inline tl::unexpected<Error> fail(Error error) {
  return tl::unexpected<Error>(std::move(error));
}

}  // namespace aurum
