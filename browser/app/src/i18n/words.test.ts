// Both languages say everything, nothing is said that no screen shows, and no
// screen shows what nobody says.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'

const src = new URL('..', import.meta.url).pathname
const read = (path: string) => readFileSync(join(src, path), 'utf8')
const all = readdirSync(src, { recursive: true, encoding: 'utf8' })
const areas = all.filter((f) => /(^i18n\/en|words\.en)\.json$/.test(f))
const plural = /_(zero|one|two|few|many|other)$/

function leaves(o: object, prefix = ''): [string, string][] {
  return Object.entries(o).flatMap(([k, v]) => (typeof v === 'string' ? [[prefix + k, v] as [string, string]] : leaves(v as object, `${prefix}${k}.`)))
}
const names = (text: string) => [...text.matchAll(/\{\{(\w+)\}\}/g)].map((m) => m[1]).sort()
const bare = (keys: string[]) => new Set(keys.map((k) => k.replace(plural, '')))

const code = all.filter((f) => /\.tsx?$/.test(f) && !/\.test\.ts$|\.d\.ts$/.test(f)).map(read).join('\n')
// t('a.b'), and t(`a.${x}`), tOf('a', x) for what stands for values of the API.
const said = new Set([...code.matchAll(/\bt\(\s*'([\w.-]+)'/g), ...code.matchAll(/['"`]([a-z]\w*(?:\.[\w-]+)+)['"`]/g)].map((m) => m[1]!))
const prefixes = [...[...code.matchAll(/\bt\(\s*`([\w.-]+)\.\$\{/g)], ...code.matchAll(/\b(?:tOf|told)\(\s*'([\w.-]+)'/g)].map((m) => m[1]! + '.')

test('there are areas', () => expect(areas.length).toBeGreaterThan(0))

describe.each(areas)('%s', (file) => {
  const en = Object.fromEntries(leaves(JSON.parse(read(file))))
  const ar = Object.fromEntries(leaves(JSON.parse(read(file.replace(/en\.json$/, 'ar.json')))))

  test('Arabic has the same keys', () => {
    expect([...bare(Object.keys(ar))].sort()).toEqual([...bare(Object.keys(en))].sort())
  })
  const codes = file.startsWith('fault/') // whose names are the server's: too_many is no plural
  test.skipIf(codes)('plurals have every form of their language', () => {
    for (const [words, forms] of [[en, ['one', 'other']], [ar, ['zero', 'one', 'two', 'few', 'many', 'other']]] as const) {
      for (const k of new Set(Object.keys(words).filter((k) => plural.test(k)).map((k) => k.replace(plural, '')))) {
        for (const f of forms) expect(words, `${k}_${f}`).toHaveProperty([`${k}_${f}`])
      }
    }
  })
  test('Arabic fills in the same values, and is Arabic', () => {
    for (const [k, text] of Object.entries(ar)) {
      const other = en[k] ?? en[k.replace(plural, '_other')]
      // What the server said is English, and has no place in another language.
      if (!plural.test(k)) expect(names(text), k).toEqual(names(other ?? '').filter((n) => n !== 'said'))
      expect(text, k).toMatch(/[\u0600-\u06ff]/)
    }
  })
  if (file.startsWith('worker/')) return // those are chosen by the kind of a push
  test('every key is shown', () => {
    const unused = [...bare(Object.keys(en))].filter((k) => !said.has(k) && !prefixes.some((p) => k.startsWith(p)))
    expect(unused).toEqual([])
  })
})

test('the search for unused keys finds one', () => {
  expect(said.has('no.screen.says.this')).toBe(false)
  expect(said.has('common.cancel')).toBe(true)
})

// Missing ones are the compiler's to find: t takes the keys of the files alone.
test('every prefix has words', () => {
  const keys = areas.flatMap((f) => leaves(JSON.parse(read(f))).map(([k]) => k))
  for (const p of prefixes) expect(keys.some((k) => k.startsWith(p)), p).toBe(true)
})
