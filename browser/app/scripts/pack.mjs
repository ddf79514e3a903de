// Compresses what was built, takes away what an earlier build left, and says
// how much a browser loads before the first screen stands; more JavaScript
// than the budget fails the build.
import { readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { closure } from './chunks.mjs'
import { mentioned } from './mentioned.mjs'

const dist = new URL('../../../internal/app/dist/', import.meta.url).pathname
const budget = 200 * 1024 // gzip, at the first screen
const manifest = JSON.parse(readFileSync(join(dist, 'manifest.json'), 'utf8'))

const kept = new Set()
for (const chunk of Object.values(manifest)) {
  for (const name of [chunk.file, ...(chunk.css ?? []), ...(chunk.assets ?? [])]) kept.add(name)
}
mentioned(dist, kept)
const sizes = {}
// First away with what is old: its compressed forms have the names of new ones.
for (const name of readdirSync(join(dist, 'assets'))) if (!kept.has('assets/' + name)) rmSync(join(dist, 'assets', name))
for (const name of kept) if (name.startsWith('assets/')) pack(name)
for (const name of readdirSync(dist)) {
  if (/\.(br|gz)$/.test(name)) rmSync(join(dist, name))
}
for (const name of readdirSync(dist)) {
  if (name !== 'manifest.json' && statSync(join(dist, name)).isFile() && name !== 'unbuilt.html') pack(name)
}

function pack(name) {
  if (!/\.(js|css|svg|html|webmanifest|json|wasm)$/.test(name)) return
  const text = readFileSync(join(dist, name))
  const gz = gzipSync(text, { level: 9 })
  const br = brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_SIZE_HINT]: text.length } })
  sizes[name] = { gz: gz.length, br: br.length }
  if (text.length < 256) return
  writeFileSync(join(dist, name + '.gz'), gz)
  writeFileSync(join(dist, name + '.br'), br)
}

// What stands before a first screen: the entry, what it imports, and the
// screen's own chunk with what that imports; in the longer language.
const screens = {
  'sign-in': ['src/signin/signin.tsx'],
  console: ['src/console/console.tsx', 'src/console/board.tsx', 'src/console/words.ar.json'],
  desk: ['src/early.ts', 'desk', 'src/desk/words.ar.json'],
}
let over = false
rmSync(join(dist, 'manifest.json'))
for (const [screen, keys] of Object.entries(screens)) {
  const files = new Set()
  for (const key of ['index.html', 'src/i18n/ar.json', ...keys]) closure(manifest, key, files)
  const sum = (kind) => [...files].reduce((n, f) => n + (sizes[f]?.[kind] ?? 0), 0)
  over ||= sum('gz') > budget
  if (process.env.FILES) for (const f of [...files].sort((a, b) => (sizes[b]?.gz ?? 0) - (sizes[a]?.gz ?? 0))) console.log(`  ${((sizes[f]?.gz ?? 0) / 1024).toFixed(1).padStart(6)} KiB ${f}`)
  console.log(`${screen}: ${(sum('gz') / 1024).toFixed(1)} KiB of JavaScript in gzip, ${(sum('br') / 1024).toFixed(1)} in brotli, ${files.size} files`)
}
const css = Object.keys(sizes).filter((n) => n.endsWith('.css')).reduce((n, f) => n + sizes[f].gz, 0)
console.log(`styles: ${(css / 1024).toFixed(1)} KiB in gzip`)
if (over) {
  console.error(`More than ${budget / 1024} KiB before the first screen: load what it does not need later.`)
  process.exit(1)
}
