#pragma once

#include <functional>

#include "serve/client_stream.h"
#include "serve/connection_pool.h"
#include "serve/http.h"
#include "serve/metrics.h"
#include "serve/request_reader.h"
#include "serve/response_writer.h"

namespace rookery::serve {

/// Answers a request. Called on the connections' threads, several at once.
using Handler = std::function<Response(Request)>;

/// HTTP/1.1 on one connection: one request after another, until one of the two ends it.
class HttpConnection {
 public:
  struct Context {
    const Handler& handler;
    Metrics& metrics;
    ResponseWriter::Stopping stopping;
  };

  /// `peer` is what is known of the client before the transport is open.
  HttpConnection(ClientStream& stream, ConnectionPool::Connection& connection, Peer peer, Context context)
      : stream_(stream), connection_(connection), peer_(std::move(peer)), context_(std::move(context)) {}

  /// Until the connection ends; the socket is then ready to be closed. Throws what allocating memory does.
  void serve();

 private:
  bool serveOne(bool last);
  bool answer(RequestReader& reader, Request request, bool last);
  Response handle(const Request& request) const;
  bool awaitBetter(Response& response);
  bool over();

  ClientStream& stream_;
  ConnectionPool::Connection& connection_;
  Peer peer_;
  Context context_;
};

}  // namespace rookery::serve
