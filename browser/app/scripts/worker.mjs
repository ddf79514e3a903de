// Builds the service worker as one file of its own, with the list of what it
// keeps: all that the desk is made of, and what comes before it. The console's
// files are not in it: it is no use without the server.
import { createHash } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { build } from 'vite'
import { chunkOf, closure } from './chunks.mjs'
import { mentioned } from './mentioned.mjs'

const here = new URL('..', import.meta.url).pathname
const dist = join(here, '../../internal/app/dist')
const manifest = JSON.parse(readFileSync(join(dist, 'manifest.json'), 'utf8'))

const targets = ['chrome120', 'firefox121', 'safari17.4']
const files = new Set(['index.html', 'sign.svg', 'icon-192.png', 'badge-96.png'])
const walked = new Set()
function keep(key) {
  if (walked.has(key) || key.startsWith('src/console/')) return
  walked.add(key)
  const chunk = chunkOf(manifest, key)
  if (!chunk.file.endsWith('.html')) files.add(chunk.file)
  // Of the fonts, the letters that nearly every name is written in; others are kept when they are first read.
  for (const name of [...(chunk.css ?? []), ...(chunk.assets ?? [])]) if (!/\.woff2$/.test(name) || /-latin-wght/.test(name)) files.add(name)
  for (const k of [...(chunk.imports ?? []), ...(chunk.dynamicImports ?? [])]) keep(k)
}
keep('index.html')
mentioned(dist, files)

// What is asked before the app has arrived is a script of its own, and the first of the page.
const [early] = await build({
  configFile: false,
  root: here,
  logLevel: 'warn',
  build: { write: false, target: targets, lib: { entry: join(here, 'src/early.ts'), formats: ['iife'], name: 'early', fileName: () => 'early.js' } },
})
const code = early.output[0].code
const earlyFile = `assets/early-${createHash('sha256').update(code).digest('base64url').slice(0, 8)}.js`
writeFileSync(join(dist, earlyFile), code)
manifest['src/early.ts'] = { file: earlyFile, name: 'early' }
writeFileSync(join(dist, 'manifest.json'), JSON.stringify(manifest))
files.add(earlyFile)

// The page asks at once for what the desk's first screen is made of, instead of learning it step by step.
const page = join(dist, 'index.html')
const first = new Set()
for (const key of ['desk', 'src/i18n/en.json', 'src/desk/words.en.json']) closure(manifest, key, first)
const html = readFileSync(page, 'utf8').replace('<script type="module"', `<script async fetchpriority="high" src="/app/${earlyFile}"></script>\n<script type="module"`)
const links = [...first].filter((f) => !html.includes(f)).map((f) => `<link rel="modulepreload" crossorigin href="/app/${f}">`)
writeFileSync(page, html.replace('</head>', links.join('\n') + '\n</head>'))

const list = [...files].sort()
// Names say what assets hold; the others count by their content.
const sum = createHash('sha256').update(list.join('\n'))
for (const name of list) if (!name.startsWith('assets/')) sum.update(readFileSync(join(dist, name)))
const version = sum.digest('base64url').slice(0, 12)
await build({
  configFile: false,
  root: here,
  logLevel: 'warn',
  define: { __FILES__: JSON.stringify(list), __VERSION__: JSON.stringify(version) },
  build: {
    outDir: dist,
    emptyOutDir: false,
    copyPublicDir: false,
    target: targets,
    lib: { entry: join(here, 'src/worker/sw.ts'), formats: ['iife'], name: 'worker', fileName: () => 'sw.js' },
  },
})
