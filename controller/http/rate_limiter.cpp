#include "http/rate_limiter.h"

#include <algorithm>
#include <boost/asio/ip/address.hpp>

namespace rookery::http {

namespace ip = boost::asio::ip;

bool RateLimiter::take(const std::string& key) {
  const std::lock_guard lock(mutex_);
  Bucket& bucket = bucketOf(key);
  if (bucket.left < 1) return false;
  bucket.left -= 1;
  return true;
}

bool RateLimiter::allows(const std::string& key) {
  const std::lock_guard lock(mutex_);
  return bucketOf(key).left >= 1;
}

/// Filled up to now.
RateLimiter::Bucket& RateLimiter::bucketOf(const std::string& key) {
  const auto now = now_();
  const auto found = byKey_.find(key);
  if (found != byKey_.end()) {
    buckets_.splice(buckets_.begin(), buckets_, found->second);
    Bucket& bucket = buckets_.front();
    const double seconds = std::chrono::duration<double>(now - bucket.filled).count();
    bucket.left = std::min(rate_.burst, bucket.left + std::max(seconds, 0.0) * rate_.perSecond);
    bucket.filled = now;
    return bucket;
  }
  if (buckets_.size() >= maxKeys_) {
    byKey_.erase(buckets_.back().key);
    buckets_.pop_back();
  }
  buckets_.push_front({key, rate_.burst, now});
  byKey_[key] = buckets_.begin();
  return buckets_.front();
}

std::string rateKeyOf(const std::string& address) {
  boost::system::error_code error;
  const ip::address parsed = ip::make_address(address, error);
  if (error || !parsed.is_v6()) return address;
  ip::address_v6::bytes_type bytes = parsed.to_v6().to_bytes();
  std::fill(bytes.begin() + 8, bytes.end(), std::uint8_t{0});
  return ip::make_address_v6(bytes).to_string() + "/64";
}

}  // namespace rookery::http
