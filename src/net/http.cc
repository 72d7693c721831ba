#include "net/http.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <ctime>

#include <fmt/format.h>

namespace aurum::net {
namespace {

std::string_view find_header(const Headers& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return value;
  }
  return {};
}

/// What an error page says beside the phrase; clients show it to people.
std::string_view explanation(int status) {
  switch (status) {
    case 400:
      return "Bad request syntax or unsupported method";
    case 409:
      return "Request conflict";
    case 411:
      return "Client must specify Content-Length";
    case 413:
      return "Entity is too large";
    case 431:
      return "The headers are too large";
    case 500:
      return "Server got itself in trouble";
    case 501:
      return "Server does not support this operation";
    case 502:
      return "Invalid responses from another server/proxy";
    case 503:
      return "The server cannot process the request due to a high load";
    default:
      return reason_phrase(status);
  }
}

std::string escape_html(std::string_view text) {
  std::string out;
  for (char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

std::string decode_url(std::string_view text) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
        hex_digit(text[i + 2]) >= 0) {
      out += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
      i += 2;
    } else {
      out += text[i] == '+' ? ' ' : text[i];
    }
  }
  return out;
}

constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// A value that came from a caller or a file must not start a header line of its own.
std::string one_line(std::string_view text) {
  std::string out(text);
  std::erase_if(out, [](char c) { return c == '\r' || c == '\n' || c == '\0'; });
  return out;
}

}  // namespace

bool is_read(std::string_view method) {
  return method == "GET" || method == "HEAD" || method == "OPTIONS";
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::ranges::equal(
      a, b, [](unsigned char x, unsigned char y) { return std::tolower(x) == std::tolower(y); });
}

std::string_view HttpRequest::header(std::string_view name) const {
  return find_header(headers, name);
}

std::string_view HttpRequest::path() const {
  return std::string_view(target).substr(0, target.find_first_of("?#"));
}

std::string_view HttpRequest::query() const {
  std::string_view all = target;
  all = all.substr(0, all.find('#'));
  auto mark = all.find('?');
  return mark == std::string_view::npos ? std::string_view() : all.substr(mark + 1);
}

std::string_view HttpResponse::header(std::string_view name) const {
  return find_header(headers, name);
}

std::string_view reason_phrase(int status) {
  switch (status) {
    case 200:
      return "OK";
    case 202:
      return "Accepted";
    case 400:
      return "Bad Request";
    case 401:
      return "Unauthorized";
    case 403:
      return "Forbidden";
    case 404:
      return "Not Found";
    case 408:
      return "Request Timeout";
    case 409:
      return "Conflict";
    case 411:
      return "Length Required";
    case 412:
      return "Precondition Failed";
    case 413:
      return "Request Entity Too Large";
    case 422:
      return "Unprocessable Entity";
    case 431:
      return "Request Header Fields Too Large";
    case 500:
      return "Internal Server Error";
    case 501:
      return "Not Implemented";
    case 502:
      return "Bad Gateway";
    case 503:
      return "Service Unavailable";
    default:
      return "Unknown";
  }
}

HttpResponse error_page(int status, std::string_view message) {
  if (message.empty()) message = reason_phrase(status);
  HttpResponse page;
  page.status = status;
  page.reason = one_line(message);
  page.framework_error = true;
  page.content_type = "text/html;charset=utf-8";
  page.body = fmt::format(
      "<!DOCTYPE HTML>\n<html lang=\"en\">\n    <head>\n        <meta charset=\"utf-8\">\n"
      "        <title>Error response</title>\n    </head>\n    <body>\n        <h1>Error "
      "response</h1>\n"
      "        <p>Error code: {0}</p>\n        <p>Message: {1}.</p>\n"
      "        <p>Error code explanation: {0} - {2}.</p>\n    </body>\n</html>\n",
      status, escape_html(message), explanation(status));
  return page;
}

std::string render_reply(const HttpResponse& response, std::string_view server,
                         std::string_view date, const Headers& extra) {
  std::string_view reason =
      response.reason.empty() ? reason_phrase(response.status) : std::string_view(response.reason);
  std::string out = fmt::format("HTTP/1.0 {} {}\r\n", response.status, one_line(reason));
  auto line = [&out](std::string_view name, std::string_view value) {
    out += fmt::format("{}: {}\r\n", one_line(name), one_line(value));
  };
  if (!response.status_only) {
    line("Server", server);
    line("Date", date);
    if (response.framework_error) line("Connection", "close");
    for (const auto& [name, value] : response.headers) line(name, value);
    if (!response.content_type.empty()) line("Content-Type", response.content_type);
    if (response.framework_error) {
      line("Content-Length", std::to_string(response.body.size()));
    } else {
      for (const auto& [name, value] : extra) line(name, value);
    }
  }
  out += "\r\n";
  if (!response.status_only) out += response.body;
  return out;
}

std::string http_date(std::int64_t epoch_s) {
  // Names by hand: strftime would write them in the operator's language.
  static constexpr std::array<std::string_view, 7> kDays = {"Sun", "Mon", "Tue", "Wed",
                                                            "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> kMonths = {
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  std::time_t t = epoch_s;
  std::tm tm{};
  gmtime_r(&t, &tm);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT",
                     kDays[static_cast<std::size_t>(tm.tm_wday)], tm.tm_mday,
                     kMonths[static_cast<std::size_t>(tm.tm_mon)], tm.tm_year + 1900, tm.tm_hour,
                     tm.tm_min, tm.tm_sec);
}

Headers parse_query(std::string_view query) {
  Headers out;
  while (!query.empty()) {
    auto end = query.find('&');
    std::string_view part = query.substr(0, end);
    query = end == std::string_view::npos ? std::string_view() : query.substr(end + 1);
    if (part.empty()) continue;
    auto sign = part.find('=');
    out.emplace_back(decode_url(part.substr(0, sign)),
                     sign == std::string_view::npos ? "" : decode_url(part.substr(sign + 1)));
  }
  return out;
}

std::string base64_encode(std::string_view bytes) {
  std::string out;
  for (std::size_t i = 0; i < bytes.size(); i += 3) {
    std::uint32_t group = 0;
    for (std::size_t k = 0; k < 3; ++k) {
      group = group << 8 | (i + k < bytes.size() ? static_cast<unsigned char>(bytes[i + k]) : 0U);
    }
    for (std::size_t k = 0; k < 4; ++k) {
      out += i + k <= bytes.size() ? kBase64[group >> (18 - 6 * k) & 63] : '=';
    }
  }
  return out;
}

Result<std::string> base64_decode(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  if (text.size() % 4 == 1) return fail(Code::invalid, "not base64");
  std::string out;
  std::uint32_t group = 0;
  int bits = 0;
  for (char c : text) {
    auto digit = kBase64.find(c);
    if (digit == std::string_view::npos) return fail(Code::invalid, "not base64");
    group = (group << 6 | static_cast<std::uint32_t>(digit)) & 0xFFFFFF;
    bits += 6;
    if (bits >= 8) {
      bits -= 8;
      out += static_cast<char>(group >> bits & 0xFF);
    }
  }
  return out;
}

std::string basic_credentials(std::string_view user, std::string_view password) {
  return "Basic " + base64_encode(fmt::format("{}:{}", user, password));
}

}  // namespace aurum::net
