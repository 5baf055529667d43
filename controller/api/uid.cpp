#include "api/uid.h"

#include <boost/uuid/random_generator.hpp>
#include <boost/uuid/uuid_io.hpp>

namespace rookery::api {

std::string newUid() { return boost::uuids::to_string(boost::uuids::random_generator_pure{}()); }

}  // namespace rookery::api
