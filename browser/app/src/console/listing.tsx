import { type ComponentProps, type ReactNode, useRef } from 'react'
import { useListKeys } from '../lib/keys'
import { Rows } from '../ui/skeleton'
import { Table } from '../ui/table'
import { Sorry } from './page'

interface Asked {
  isError: boolean
  isPending: boolean
  data?: unknown
  error: unknown
  refetch: () => unknown
}

/** A list as all of a page below its head: what could not be had, what is on its way, what will be here, or its rows, with j and k among them. */
export function Listing<R>({ query, empty, keys, n = 10, rows, ...table }: Omit<ComponentProps<typeof Table<R>>, 'className'> & {
  query: Asked
  /** Instead of rows, where there is none. */
  empty: ReactNode
  /** What j and k are called. */
  keys: { next: string; before: string }
  n?: number
}) {
  const box = useRef<HTMLDivElement>(null)
  useListKeys(box, keys)
  if (query.isError && !query.data) return <Sorry error={query.error} again={() => void query.refetch()} />
  if (query.isPending) return <Rows n={n} />
  if (!rows.length) return empty
  return (
    <div ref={box} className="-mx-4 flex min-h-0 flex-1 flex-col md:-mx-8">
      <Table {...table} rows={rows} className="min-h-0 flex-1 border-t border-line px-1 md:px-5" />
    </div>
  )
}
