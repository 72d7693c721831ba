#pragma once

#include <boost/asio/as_tuple.hpp>
#include <boost/asio/awaitable.hpp>
#include <boost/asio/use_awaitable.hpp>

/// The house form of coroutines (docs/decisions/0002): clang only, await into a named local, then
/// decide.
namespace aurum::runtime {

namespace asio = boost::asio;

template <class T>
using Task = asio::awaitable<T>;

/// Completion token: `auto [ec, n] = co_await socket.async_read_some(buffer, use_task);` Nothing
/// throws.
inline constexpr auto use_task = asio::as_tuple(asio::use_awaitable);

}  // namespace aurum::runtime
