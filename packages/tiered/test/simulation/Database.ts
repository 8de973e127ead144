/**
 * What the cache is in front of: a database, as far as it matters here.
 *
 * **Details**
 *
 * Its changes are numbered. A load has seen all of them up to some number, so what it brings is older than every change after
 * that. A change is made before the cache is told to forget or replace what it has.
 */
export class Database {
  private changes = 0

  /** The number of a new change. */
  change(): number {
    return ++this.changes
  }

  /** The last change, which a reader sees. */
  read(): number {
    return this.changes
  }
}
