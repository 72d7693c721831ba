#include "dcs/etcd/h2_connection.h"

#include <algorithm>
#include <cstring>

#include <boost/asio/write.hpp>
#include <nghttp2/nghttp2.h>

#include "base/ensure.h"
#include "runtime/clock.h"

namespace aurum::dcs::etcd {

namespace {

constexpr std::int32_t kWindow = 4 << 20;
/// More than this waits in nghttp2, which ends connections that make it queue too many answers.
constexpr std::size_t kMaxPending = 1 << 20;

nghttp2_nv header(std::string_view name, std::string_view value) {
  const auto bytes = [](std::string_view text) {
    return const_cast<std::uint8_t*>(reinterpret_cast<const std::uint8_t*>(text.data()));
  };
  return {bytes(name), bytes(value), name.size(), value.size(), NGHTTP2_NV_FLAG_NONE};
}

Error socket_error(const boost::system::error_code& ec) {
  return {Code::unavailable, ec == asio::error::eof ? "closed by the server" : ec.message(), {}};
}

/// Marks that nghttp2 is at work: its callbacks must not send or receive.
class InsideSession {
 public:
  explicit InsideSession(bool& flag) : flag_(flag) { flag_ = true; }
  ~InsideSession() { flag_ = false; }
  InsideSession(const InsideSession&) = delete;
  InsideSession& operator=(const InsideSession&) = delete;

 private:
  bool& flag_;
};

}  // namespace

struct H2Connection::Callbacks {
  static H2Connection& self(void* user) { return *static_cast<H2Connection*>(user); }

  static Stream* stream(void* user, std::int32_t id) {
    const auto found = self(user).streams_.find(id);
    return found == self(user).streams_.end() ? nullptr : &found->second;
  }

  static int on_header(nghttp2_session*, const nghttp2_frame* frame, const std::uint8_t* name,
                       std::size_t name_size, const std::uint8_t* value, std::size_t value_size,
                       std::uint8_t, void* user) {
    if (Stream* found = stream(user, frame->hd.stream_id)) {
      found->events->on_header({reinterpret_cast<const char*>(name), name_size},
                               {reinterpret_cast<const char*>(value), value_size});
    }
    return 0;
  }

  static int on_data(nghttp2_session* session, std::uint8_t, std::int32_t id,
                     const std::uint8_t* data, std::size_t size, void* user) {
    Stream* found = stream(user, id);
    if (found && !found->events->on_data({reinterpret_cast<const char*>(data), size})) {
      nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
    }
    return 0;
  }

  static int on_frame(nghttp2_session*, const nghttp2_frame* frame, void* user) {
    H2Connection& connection = self(user);
    if (frame->hd.type == NGHTTP2_SETTINGS) {
      const bool answer = (frame->hd.flags & NGHTTP2_FLAG_ACK) != 0;
      if (!answer && !connection.ready_) {
        connection.ready_ = true;
        connection.changed_.notify();
      }
    }
    if (frame->hd.type == NGHTTP2_GOAWAY) {
      connection.leave({Code::unavailable, "the server is closing the connection", {}});
    }
    return 0;
  }

  static int on_close(nghttp2_session*, std::int32_t id, std::uint32_t code, void* user) {
    StreamEnd end;
    end.broken = code != NGHTTP2_NO_ERROR;
    end.refused = code == NGHTTP2_REFUSED_STREAM;
    if (end.broken) end.why = std::string("stream ended by ") + nghttp2_http2_strerror(code);
    self(user).end_stream(id, std::move(end));
    return 0;
  }

  static ssize_t read_request(nghttp2_session*, std::int32_t id, std::uint8_t* to, std::size_t size,
                              std::uint32_t* flags, nghttp2_data_source*, void* user) {
    Stream* found = stream(user, id);
    if (!found) return NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE;
    const std::size_t count = std::min(size, found->out.size());
    std::memcpy(to, found->out.data(), count);
    found->out.erase(0, count);
    if (found->out.empty() && found->last) {
      found->sent = true;
      *flags |= NGHTTP2_DATA_FLAG_EOF;
    } else if (count == 0) {
      return NGHTTP2_ERR_DEFERRED;
    }
    return static_cast<ssize_t>(count);
  }
};

H2Connection::H2Connection(asio::any_io_executor executor, std::shared_ptr<const TlsContext> tls,
                           std::string host, std::string authority)
    : executor_(executor),
      socket_(executor),
      host_(std::move(host)),
      authority_(std::move(authority)),
      tls_context_(std::move(tls)),
      changed_(executor),
      keepalive_timer_(executor) {}

H2Connection::~H2Connection() { nghttp2_session_del(session_); }

Task<Status> H2Connection::connect(tcp::endpoint address, Duration timeout) {
  const auto self = shared_from_this();
  const Instant begin = runtime::now();
  keepalive_timer_.expires_after(timeout);
  keepalive_timer_.async_wait([self](const boost::system::error_code& ec) {
    if (!ec && !self->ready_) self->close({Code::unavailable, "no answer", {}});
  });
  auto [ec] = co_await socket_.async_connect(address, runtime::use_task);
  if (ec) close(socket_error(ec));
  if (dead_) co_return fail(why_);
  boost::system::error_code ignored;
  socket_.set_option(tcp::no_delay(true), ignored);
  if (auto status = start_session(); !status) close(status.error());
  if (!dead_) read_some();
  while (!ready_ && !dead_) co_await changed_.wait_until(begin + timeout);
  if (dead_) co_return fail(why_);
  greeting_time_ = runtime::now() - begin;
  heard_ = runtime::now();
  arm_keepalive();
  co_return Status{};
}

Status H2Connection::start_session() {
  nghttp2_session_callbacks* callbacks = nullptr;
  nghttp2_session_callbacks_new(&callbacks);
  nghttp2_session_callbacks_set_on_header_callback(callbacks, &Callbacks::on_header);
  nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, &Callbacks::on_data);
  nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, &Callbacks::on_frame);
  nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, &Callbacks::on_close);
  const int made = nghttp2_session_client_new(&session_, callbacks, this);
  nghttp2_session_callbacks_del(callbacks);
  if (made != 0) return fail(Code::internal, "nghttp2 can not make a session");

  const std::array settings = {
      nghttp2_settings_entry{NGHTTP2_SETTINGS_ENABLE_PUSH, 0},
      nghttp2_settings_entry{NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE,
                             static_cast<std::uint32_t>(kWindow)},
      nghttp2_settings_entry{NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, 64 << 10},
  };
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kWindow);
  if (tls_context_) {
    tls_ = std::make_unique<TlsSession>(*tls_context_, host_);
    if (auto status = tls_->receive({}, plain_); !status) return status;
  }
  flush();
  return {};
}

void H2Connection::read_some() {
  socket_.async_read_some(
      asio::buffer(input_),
      [self = shared_from_this()](const boost::system::error_code& ec, std::size_t size) {
        if (self->dead_) return;
        if (ec) return self->close(socket_error(ec));
        self->on_read(size);
      });
}

void H2Connection::on_read(std::size_t size) {
  heard_ = runtime::now();
  probing_ = false;
  std::string_view bytes(input_.data(), size);
  Status status;
  if (tls_) {
    plain_.clear();
    status = tls_->receive(bytes, plain_);
    bytes = plain_;
  }
  if (!bytes.empty()) {
    const InsideSession inside(inside_session_);
    const auto used = nghttp2_session_mem_recv(
        session_, reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
    if (used < 0 && status) {
      status = fail(Code::unavailable,
                    std::string("http/2: ") + nghttp2_strerror(static_cast<int>(used)));
    }
  }
  if (!status) return close(status.error());
  flush();
  if (!dead_) read_some();
}

void H2Connection::flush() {
  if (dead_ || inside_session_ || session_ == nullptr) return;
  Status status;
  while (status && pending_.size() < kMaxPending) {
    const InsideSession inside(inside_session_);
    const std::uint8_t* data = nullptr;
    const auto size = nghttp2_session_mem_send(session_, &data);
    if (size < 0) status = fail(Code::internal, nghttp2_strerror(static_cast<int>(size)));
    if (size <= 0) break;
    const std::string_view bytes(reinterpret_cast<const char*>(data),
                                 static_cast<std::size_t>(size));
    if (tls_) {
      status = tls_->send(bytes);
    } else {
      pending_ += bytes;
    }
  }
  if (tls_) pending_ += tls_->take_output();
  if (!status) return close(status.error());
  const bool finished =
      nghttp2_session_want_read(session_) == 0 && nghttp2_session_want_write(session_) == 0;
  if (pending_.empty() && !busy_writing_ &&
      (finished || (ready_ && going_away_ && streams_.empty()))) {
    return close(why_.message.empty() ? Error{Code::unavailable, "connection ended", {}} : why_);
  }
  if (!busy_writing_ && !pending_.empty()) write_some();
}

void H2Connection::write_some() {
  busy_writing_ = true;
  writing_ = std::exchange(pending_, {});
  asio::async_write(socket_, asio::buffer(writing_),
                    [self = shared_from_this()](const boost::system::error_code& ec, std::size_t) {
                      self->busy_writing_ = false;
                      if (self->dead_) return;
                      if (ec) return self->close(socket_error(ec));
                      self->flush();
                    });
}

void H2Connection::arm_keepalive() {
  const Instant next = probing_ ? probed_ + keepalive_.patience : heard_ + keepalive_.idle;
  keepalive_timer_.expires_after(std::max(Duration(milliseconds(1)), next - runtime::now()));
  keepalive_timer_.async_wait([self = shared_from_this()](const boost::system::error_code& ec) {
    if (!ec && !self->dead_) self->on_keepalive();
  });
}

void H2Connection::on_keepalive() {
  const Instant now = runtime::now();
  if (probing_ && now >= probed_ + keepalive_.patience) {
    return close({Code::unavailable,
                  "does not answer for " + std::to_string(to_ms(now - heard_)) + " ms",
                  {}});
  }
  if (!probing_ && now >= heard_ + keepalive_.idle) {
    probing_ = true;
    probed_ = now;
    nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, nullptr, 0);
    flush();
  }
  if (!dead_) arm_keepalive();
}

std::int32_t H2Connection::open(const std::string& path, const HeaderList& headers, bool long_lived,
                                StreamEvents& events) {
  if (!usable()) return -1;
  std::vector<nghttp2_nv> fields = {header(":method", "POST"),
                                    header(":scheme", tls_ ? "https" : "http"),
                                    header(":path", path), header(":authority", authority_)};
  for (const auto& [name, value] : headers) fields.push_back(header(name, value));
  nghttp2_data_provider body{};
  body.read_callback = &Callbacks::read_request;
  const std::int32_t id =
      nghttp2_submit_request(session_, nullptr, fields.data(), fields.size(), &body, nullptr);
  if (id < 0) {
    // Stream ids are used up (RFC 9113 §5.1.1): a new connection has new ones.
    leave({Code::unavailable, nghttp2_strerror(id), {}});
    return -1;
  }
  streams_[id] = Stream{.events = &events, .out = {}, .long_lived = long_lived};
  return id;
}

void H2Connection::send(std::int32_t id, std::string_view data, bool last) {
  const auto found = streams_.find(id);
  if (dead_ || found == streams_.end()) return;
  found->second.out += data;
  found->second.last = last;
  nghttp2_session_resume_data(session_, id);
  flush();
}

void H2Connection::reset(std::int32_t id) {
  if (streams_.erase(id) == 0 || dead_) return;
  nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  flush();
}

void H2Connection::end_stream(std::int32_t id, StreamEnd end) {
  const auto found = streams_.find(id);
  if (found == streams_.end()) return;
  StreamEvents* events = found->second.events;
  end.sent = found->second.sent;
  streams_.erase(found);
  events->on_end(end);
}

void H2Connection::leave(Error why) {
  if (dead_ || going_away_) return;
  going_away_ = true;
  why_ = std::move(why);
  std::vector<std::int32_t> ended;
  for (const auto& [id, stream] : streams_) {
    if (stream.long_lived) ended.push_back(id);
  }
  for (const std::int32_t id : ended) {
    end_stream(id, {.broken = true, .why = why_.message});
    nghttp2_submit_rst_stream(session_, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
  }
  flush();
}

void H2Connection::close(Error why) {
  if (dead_) return;
  dead_ = true;
  why_ = std::move(why);
  boost::system::error_code ignored;
  socket_.close(ignored);
  keepalive_timer_.cancel();
  changed_.notify();
  const auto streams = std::exchange(streams_, {});
  for (const auto& [id, stream] : streams) {
    stream.events->on_end({.broken = true, .sent = stream.sent, .why = why_.message});
  }
}

}  // namespace aurum::dcs::etcd
