// What a worker brings along (the database's WebAssembly) stands in no
// manifest: it is known by its name in a script that does.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'

/** Adds to the set of names, each as assets/…, the files of the build that its scripts mention, and theirs. */
export function mentioned(dist, names) {
  const others = readdirSync(join(dist, 'assets')).filter((n) => !/\.(br|gz)$/.test(n) && !names.has('assets/' + n))
  const look = [...names].filter((n) => /sealed-.*\.js$/.test(n))
  for (const name of look) {
    const text = readFileSync(join(dist, name), 'utf8')
    for (const other of others) {
      if (names.has('assets/' + other) || !text.includes(other)) continue
      names.add('assets/' + other)
      if (other.endsWith('.js')) look.push('assets/' + other)
    }
  }
  return names
}
