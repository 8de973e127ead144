/**
 * Which keys carry which tags.
 */
export interface TagIndex {
  /** The tags that a key carries from now on. */
  readonly set: (key: string, tags: ReadonlyArray<string>) => void
  readonly delete: (key: string) => void
  readonly keys: (tag: string) => Iterable<string>
  readonly tags: (key: string) => ReadonlyArray<string>
  /** How many tags there are that a key carries. */
  readonly size: () => number
}

const NONE: ReadonlyArray<string> = []

export const make = (): TagIndex => {
  const tagsByKey = new Map<string, ReadonlyArray<string>>()
  const keysByTag = new Map<string, Set<string>>()

  const remove = (key: string) => {
    const tags = tagsByKey.get(key)
    if (tags === undefined) return
    tagsByKey.delete(key)
    for (const tag of tags) {
      const keys = keysByTag.get(tag)
      keys?.delete(key)
      if (keys?.size === 0) keysByTag.delete(tag)
    }
  }

  return {
    set: (key, tags) => {
      remove(key)
      if (tags.length === 0) return
      tagsByKey.set(key, tags)
      for (const tag of tags) {
        const keys = keysByTag.get(tag)
        if (keys === undefined) keysByTag.set(tag, new Set([key]))
        else keys.add(key)
      }
    },
    delete: remove,
    keys: (tag) => keysByTag.get(tag) ?? NONE,
    tags: (key) => tagsByKey.get(key) ?? NONE,
    size: () => keysByTag.size
  }
}
