// What the page and the worker with the sealed database say to each other.

/** SQL with its values, and what it gave: rows as lists of columns. */
export type Statement = [sql: string, values?: (string | number | null)[]]
export type Rows = (string | number | null)[][]

/** open takes 32 bytes; run is one transaction, and answers with the rows of each statement. */
export type Ask = { n: number } & ({ open: Uint8Array } | { run: Statement[] })

/**
 * elsewhere: another tab has it. refused: it is there, and the key is not its
 * key. cannot: this browser has no place for it.
 */
export type Opening = 'open' | 'elsewhere' | 'refused' | 'cannot'
export type Answer = { n: number } & ({ opening: Opening } | { rows: Rows[] } | { fault: string })
