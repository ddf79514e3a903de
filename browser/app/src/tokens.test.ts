// A class that tokens.css does not have is no class: it does nothing, and says so nowhere.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

const here = new URL('.', import.meta.url).pathname
const tokens = readFileSync(join(here, 'tokens.css'), 'utf8')
const has = (kind: string) => [...tokens.matchAll(new RegExp(`--${kind}-(\\w+):`, 'g'))].map((m) => m[1]!)
const widths = ['sm', 'md', 'lg', 'xl', '2xl'].filter((w) => !has('breakpoint').includes(w))
const sizes = ['xs', 'sm', 'base', 'lg', 'xl', '2xl', '3xl', '4xl', '5xl'].filter((s) => !has('text').includes(s))
const strange = new RegExp(`(?<=['"\`\\s])(?:\\S+:)?(?:(?:${widths.join('|')}):\\S+|text-(?:${sizes.join('|')})(?=['"\`\\s]))`, 'g')
const found = (text: string) => [...text.matchAll(strange)].map((m) => m[0])

test('no screen is laid out by a width or a size that there is not', () => {
  const screens = readdirSync(here, { recursive: true, encoding: 'utf8' }).filter((f) => f.endsWith('.tsx'))
  expect(screens.length).toBeGreaterThan(80)
  expect(screens.flatMap((f) => found(readFileSync(join(here, f), 'utf8')).map((c) => `${f}: ${c}`))).toEqual([])
})

test('the search finds them', () => expect(found(`className="grid sm:grid-cols-2 text-2xl md:p-2 text-lg"`)).toEqual(['sm:grid-cols-2', 'text-2xl']))
