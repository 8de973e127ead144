import { CacheError } from "@tiercache/core"

export const wrongType = (operation: string) =>
  CacheError.make(operation, "WrongType", "the key holds the state of a script")
