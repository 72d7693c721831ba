#include "net/http.h"

#include <gtest/gtest.h>

namespace aurum::net {
namespace {

TEST(Http, RequestPartsAreFound) {
  HttpRequest r;
  r.target = "/replica/x?lag=16kB&tag_a=b#frag";
  r.headers = {{"Content-Type", "a"}, {"X-One", "1"}};
  EXPECT_EQ(r.path(), "/replica/x");
  EXPECT_EQ(r.query(), "lag=16kB&tag_a=b");
  EXPECT_EQ(r.header("content-type"), "a");
  EXPECT_EQ(r.header("x-two"), "");
  r.target = "/";
  EXPECT_EQ(r.path(), "/");
  EXPECT_EQ(r.query(), "");
}

TEST(Http, QueriesAreDecoded) {
  EXPECT_EQ(parse_query("a=1&b=x%20y+z&c&&d=%zz&e=%4"),
            (Headers{{"a", "1"}, {"b", "x y z"}, {"c", ""}, {"d", "%zz"}, {"e", "%4"}}));
  EXPECT_TRUE(parse_query("").empty());
}

TEST(Http, Base64RoundTrips) {
  // RFC 4648 §10
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", ""},        {"f", "Zg=="},        {"fo", "Zm8="},
      {"foo", "Zm9v"}, {"foob", "Zm9vYg=="}, {"foobar", "Zm9vYmFy"}};
  for (const auto& [plain, text] : cases) {
    EXPECT_EQ(base64_encode(plain), text);
    EXPECT_EQ(base64_decode(text).value(), plain);
  }
  EXPECT_FALSE(base64_decode("a").has_value());
  EXPECT_FALSE(base64_decode("a b=").has_value());
  std::string bytes;
  for (int i = 0; i < 256; ++i) bytes += static_cast<char>(i);
  EXPECT_EQ(base64_decode(base64_encode(bytes)).value(), bytes);
  EXPECT_EQ(basic_credentials("admin", "secret"), "Basic YWRtaW46c2VjcmV0");
}

TEST(Http, DatesAreEnglishAndGmt) {
  EXPECT_EQ(http_date(1795382026), "Sun, 22 Nov 2026 21:13:46 GMT");
  EXPECT_EQ(http_date(0), "Thu, 01 Jan 1970 00:00:00 GMT");
}

TEST(Http, FullRepliesHaveNoLength) {
  HttpResponse r{.status = 401, .content_type = "text/html", .body = "no auth header received"};
  r.headers = {{"WWW-Authenticate", "Basic realm=\"Patroni\""}};
  EXPECT_EQ(
      render_reply(r, "Aurum", "D", {{"X-Extra", "one"}}),
      "HTTP/1.0 401 Unauthorized\r\nServer: Aurum\r\nDate: D\r\n"
      "WWW-Authenticate: Basic realm=\"Patroni\"\r\nContent-Type: text/html\r\nX-Extra: one\r\n\r\n"
      "no auth header received");
}

TEST(Http, StatusOnlyRepliesAreNothingElse) {
  HttpResponse r{.status = 503,
                 .content_type = "x",
                 .body = "y",
                 .headers = {{"a", "b"}},
                 .status_only = true};
  EXPECT_EQ(render_reply(r, "S", "D", {{"X", "1"}}), "HTTP/1.0 503 Service Unavailable\r\n\r\n");
}

TEST(Http, ErrorPagesHaveALengthAndNoExtraHeaders) {
  auto page = error_page(501, "Unsupported method ('FOO')");
  EXPECT_EQ(page.body.size(), 356U);  // as a running Patroni's
  auto bytes = render_reply(page, "S", "D", {{"X", "1"}});
  EXPECT_TRUE(
      bytes.starts_with("HTTP/1.0 501 Unsupported method ('FOO')\r\nServer: S\r\nDate: D\r\n"
                        "Connection: close\r\nContent-Type: text/html;charset=utf-8\r\n"
                        "Content-Length: 356\r\n\r\n<!DOCTYPE HTML>\n"))
      << bytes;
}

TEST(Http, NothingFromOutsideStartsAHeaderLine) {
  auto page = error_page(501, "a\r\nX: 1<b>");
  auto bytes = render_reply(page, "S", "D", {});
  EXPECT_TRUE(bytes.starts_with("HTTP/1.0 501 aX: 1<b>\r\n")) << bytes;
  EXPECT_NE(page.body.find("&lt;b&gt;"), std::string::npos);
}

}  // namespace
}  // namespace aurum::net
