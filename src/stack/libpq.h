#pragma once

#include <memory>

// libpq's own names for PGconn and PGresult; its header stays in the files that call it.
struct pg_conn;
struct pg_result;

/// What libpq hands out, ended with its owner (PostgreSQL manual, "libpq - C Library").
namespace aurum::stack {

struct Finish {
  void operator()(pg_conn* connection) const;
  void operator()(pg_result* result) const;
};
using Connection = std::unique_ptr<pg_conn, Finish>;
using Answer = std::unique_ptr<pg_result, Finish>;

}  // namespace aurum::stack
