/// <reference types="vitest/config" />
import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

export default defineConfig({
  base: '/app/',
  plugins: [react(), tailwindcss()],
  // Without the package's wrapper, which would bring a second worker.
  resolve: { alias: [{ find: /^@evolu\/sqlite-wasm$/, replacement: fileURLToPath(new URL('node_modules/@evolu/sqlite-wasm/sqlite-wasm/jswasm/sqlite3-bundler-friendly.mjs', import.meta.url)) }] },
  worker: { format: 'es' },
  build: {
    outDir: '../../internal/app/dist',
    emptyOutDir: false, // unbuilt.html is committed there; scripts/pack.mjs clears the rest
    target: ['chrome120', 'firefox121', 'safari17.4'],
    assetsInlineLimit: 0, // data: is not in the policy
    modulePreload: { polyfill: false },
    reportCompressedSize: false, // scripts/pack.mjs does, with what is really sent
    chunkSizeWarningLimit: 800,
    manifest: 'manifest.json',
    // A slow phone pays for each file, not for its bytes alone: what a first screen is made of is a few of them.
    rolldownOptions: {
      output: {
        codeSplitting: {
          groups: [
            { name: 'base', test: /\/src\/(main|lib\/(events|push)|ui\/(badge|tabs|time))\.tsx?$/, priority: 2 },
            { name: 'desk', test: /\/src\/desk\/(desk|day)\.tsx$/, priority: 1 },
          ],
        },
      },
    },
  },
  // `npx vite` beside a running demo.
  server: { proxy: { '/v1': 'http://127.0.0.1:8080', '/demo': 'http://127.0.0.1:8080' } },
  test: { environment: 'node', include: ['src/**/*.test.ts'] },
})
