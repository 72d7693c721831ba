#include "stack/libpq.h"

#include <libpq-fe.h>

namespace aurum::stack {

void Finish::operator()(pg_conn* connection) const { PQfinish(connection); }
void Finish::operator()(pg_result* result) const { PQclear(result); }

}  // namespace aurum::stack
