/**
 * Colours, where the output can show them.
 */
import { styleText } from "node:util"

export type Paint = (style: "bold" | "dim" | "green" | "red" | "cyan", text: string) => string

export const none: Paint = (_, text) => text

/** For a terminal; Node.js looks at NO_COLOR, FORCE_COLOR and TERM. */
export const forTerminal =
  (stream: NodeJS.WritableStream): Paint =>
  (style, text) =>
    styleText(style, text, { stream })
