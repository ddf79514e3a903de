// Vite's manifest knows a chunk by the module it was made for, and one that
// vite.config.ts gathers by its name alone.

/** The chunk of a module, or of what is gathered under a name; of the page, what all screens begin with. */
export function chunkOf(manifest, key) {
  const name = key === 'index.html' ? 'base' : key
  const chunk = manifest[key] ?? Object.values(manifest).find((c) => c.name === name && c.file.endsWith('.js'))
  if (!chunk) throw new Error(`${key} is not in the build: mend the lists in scripts`)
  return chunk
}

/** Adds to the set the files that stand before a chunk can run, and its own. */
export function closure(manifest, key, into = new Set()) {
  const chunk = chunkOf(manifest, key)
  if (into.has(chunk.file)) return into
  into.add(chunk.file)
  for (const k of chunk.imports ?? []) closure(manifest, k, into)
  return into
}
