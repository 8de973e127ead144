/**
 * Which of the 16384 slots of a cluster a key belongs to: see https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/.
 */

export const SLOTS = 16_384

/** CRC16 (XMODEM: polynomial 0x1021, from 0) of each byte. */
const TABLE = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8
  for (let bit = 0; bit < 8; bit++) crc = (crc & 0x8000) === 0 ? crc << 1 : (crc << 1) ^ 0x1021
  return crc
})

/** Of a key with a part in braces, that part alone counts, so that such keys can share a slot. */
export const slotOf = (key: string): number => {
  const open = key.indexOf("{")
  const close = open < 0 ? -1 : key.indexOf("}", open + 1)
  return crcOf(close > open + 1 ? key.slice(open + 1, close) : key) % SLOTS
}

/**
 * For each slot a text that belongs to it, short ones first: what stands in the braces of a key that is to lie there. They all begin with
 * one text. It takes 170,000 attempts to find them all, some 20 ms, which are made as they are needed.
 */
export const textsBySlot = (beginning: string): ((slot: number) => string) => {
  const texts = new Map<number, string>()
  let attempts = 0
  return (slot) => {
    for (;;) {
      const known = texts.get(slot)
      if (known !== undefined) return known
      const text = `${beginning}${(attempts++).toString(36)}`
      const found = slotOf(text)
      if (!texts.has(found)) texts.set(found, text)
    }
  }
}

const crcOf = (text: string): number => {
  let crc = 0
  for (let index = 0; index < text.length; index++) {
    const code = text.charCodeAt(index)
    // rare: our own keys are ASCII
    if (code > 0x7f) return crcOfBytes(Buffer.from(text))
    crc = next(crc, code)
  }
  return crc
}

const crcOfBytes = (bytes: Uint8Array): number => bytes.reduce(next, 0)

const next = (crc: number, byte: number): number => ((crc << 8) ^ (TABLE[((crc >> 8) ^ byte) & 0xff] ?? 0)) & 0xffff
