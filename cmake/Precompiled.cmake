# More than half of a build goes into reading the standard library, fmt, googletest and asio again and again. So what most
# files of a target read is read once for all of them. It replaces no include: ./dev lint builds without.
#
#   aurum_precompile(TARGET [TESTS] [SHELL] [HEADERS <headers of the project that most of its files read>])
function(aurum_precompile TARGET)
  cmake_parse_arguments(PRE "TESTS;SHELL" "" "HEADERS" ${ARGN})
  get_target_property(sources ${TARGET} SOURCES)
  list(LENGTH sources count)
  if(count LESS 4)
    return()
  endif()
  set(headers <algorithm> <filesystem> <fstream> <functional> <map> <memory> <optional> <set> <string> <string_view>
    <utility> <variant> <vector> <fmt/format.h>)
  if(PRE_SHELL)
    list(APPEND headers <boost/asio/any_io_executor.hpp> <boost/asio/as_tuple.hpp> <boost/asio/awaitable.hpp>
      <boost/asio/co_spawn.hpp> <boost/asio/detached.hpp> <boost/asio/io_context.hpp> <boost/asio/ip/tcp.hpp>
      <boost/asio/steady_timer.hpp> <boost/asio/use_awaitable.hpp>)
  endif()
  if(PRE_TESTS)
    list(APPEND headers <gmock/gmock.h> <gtest/gtest.h>)
  endif()
  target_precompile_headers(${TARGET} PRIVATE ${headers} ${PRE_HEADERS})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
    target_compile_options(${TARGET} PRIVATE "SHELL:-Xclang -fno-pch-timestamp")  # the same bytes each time, for ccache
  endif()
endfunction()

# The tests' own code is compiled without optimization in the release build: that takes half of the time. The program, and
# the rooms whose tests compute for minutes (core/, sim/), are not touched.
function(aurum_quick_to_compile TARGET)
  target_compile_options(${TARGET} PRIVATE $<$<CONFIG:Release>:-O0>)
endfunction()
