/**
 * A process that starts a manager over a Redis, uses it, and stops it: `node manages.ts <url>`. Nothing ends it but that
 * nothing is left to do. It tells what it found, and what keeps it alive once it has stopped.
 */
import { CacheManager } from "tiercache"

const [, , url = ""] = process.argv

const tradecore = await CacheManager.start({ backend: "tiered", redis: { url } })
const written = tradecore.vb.accountList.set("ada", []).catch(String)
const before = [tradecore.isRunning(), tradecore.backgroundTaskCount()]
await tradecore.stop()
const after = [tradecore.isRunning(), tradecore.backgroundTaskCount()]

const alive = () => process.getActiveResourcesInfo().filter((name) => /Timeout|TCP|TLS|Getaddrinfo/i.test(name))
// a socket that was destroyed is closed in a later turn of the event loop; a timer of ours would last longer
for (let turn = 0; turn < 100 && alive().length > 0; turn++) {
  await new Promise((resolve) => setImmediate(resolve))
  await new Promise((resolve) => setTimeout(resolve, 10))
}
const outcome = await written
process.stdout.write(`\n${JSON.stringify({ before, after, outcome, alive: alive() })}`)
