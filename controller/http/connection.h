#pragma once

#include "http/client_stream.h"
#include "http/connection_pool.h"
#include "http/message.h"
#include "http/request_reader.h"
#include "http/response_writer.h"

namespace rookery::http {

/// HTTP/1.1 on one connection: one request after another, until one of the two ends it.
class Connection {
 public:
  struct Context {
    const Service& service;
    ResponseWriter::Stopping stopping;
  };

  /// `peer` is what is known of the client before the transport is open.
  Connection(ClientStream& stream, ConnectionPool::Connection& connection, Peer peer, Context context)
      : stream_(stream), connection_(connection), peer_(std::move(peer)), context_(std::move(context)) {}

  /// Until the connection ends; the socket is then ready to be closed. Throws what allocating memory does.
  void serve();

 private:
  bool serveOne(bool last);
  bool answer(RequestReader& reader, Request request, bool last);
  Response handle(const Request& request) const;
  Response tooManyLongRunning() const;
  bool awaitBetter(Response& response);
  bool over();

  ClientStream& stream_;
  ConnectionPool::Connection& connection_;
  Peer peer_;
  Context context_;
};

}  // namespace rookery::http
