#include "base/result.h"

namespace aurum {

std::string_view to_string(Code code) {
  switch (code) {
    case Code::invalid:
      return "invalid";
    case Code::not_found:
      return "not found";
    case Code::exists:
      return "exists";
    case Code::rejected:
      return "rejected";
    case Code::unavailable:
      return "unavailable";
    case Code::unknown_outcome:
      return "unknown outcome";
    case Code::permission:
      return "permission";
    case Code::timeout:
      return "timeout";
    case Code::io:
      return "io";
    case Code::protocol:
      return "protocol";
    case Code::cancelled:
      return "cancelled";
    case Code::internal:
      return "internal";
  }
  return "?";
}

Error Error::within(std::string_view context) const {
  return Error{code, std::string(context) + ": " + message, hint};
}

std::string Error::text() const {
  return hint.empty() ? message : message + " (hint: " + hint + ")";
}

}  // namespace aurum
