import { useVirtualizer } from '@tanstack/react-virtual'
import { type KeyboardEvent, type ReactNode, useEffect, useRef } from 'react'
import { t } from '../lib/words'
import { cx } from './cx'

export interface Column<R> {
  id: string
  head: ReactNode
  cell: (row: R) => ReactNode
  /** A track of the grid: "120px", "minmax(160px, 2fr)". */
  width: string
  end?: boolean
}

/** A long list in columns: only what is on screen is in the page, and either end asks for more. */
export function Table<R>({ columns, rows, before = 0, rowKey, label, onOpen, more, less, loading, selected, className }: {
  columns: Column<R>[]
  rows: R[]
  /** How many rows there are before the first of these, which were let go. */
  before?: number
  rowKey: (row: R) => string
  label: string
  onOpen?: (row: R) => void
  /** Asks for the next page; absent when there is none. */
  more?: () => void
  /** Asks for the page before; absent when there is none. */
  less?: () => void
  loading?: boolean
  selected?: string
  className?: string
}) {
  const box = useRef<HTMLDivElement>(null)
  const height = matchMedia('(pointer: fine)').matches ? 36 : 44 // of a row, for a pen or a finger
  const v = useVirtualizer({ count: before + rows.length, getScrollElement: () => box.current, estimateSize: () => height, overscan: 12 })
  const items = v.getVirtualItems()
  const lastShown = items.at(-1)?.index ?? 0
  const firstShown = items[0]?.index ?? 0
  useEffect(() => {
    if (loading) return
    if (less && firstShown < before + 15) less()
    else if (more && lastShown >= before + rows.length - 15) more()
  }, [firstShown, lastShown, before, rows.length, more, less, loading])
  const grid = { gridTemplateColumns: columns.map((c) => c.width).join(' ') }
  // Rows are laid out without each other: on a narrow screen head and rows keep to this, and scroll together.
  const least = { minWidth: columns.reduce((sum, c) => sum + (Number(/\d+/.exec(c.width)?.[0]) || 0), 0) }
  const open = (e: KeyboardEvent, row: R) => {
    if (e.key !== 'Enter' || e.target !== e.currentTarget || !onOpen) return
    e.preventDefault() // or the same press is also that of what has the focus next, such as "Close"
    onOpen(row)
  }
  return (
    <div ref={box} role="table" aria-label={label} aria-rowcount={more ? -1 : before + rows.length + 1} tabIndex={0} className={cx('relative overflow-auto outline-none focus-visible:outline-2 focus-visible:-outline-offset-2 focus-visible:outline-accent', className)}>
      <div role="rowgroup" style={least} className="sticky top-0 z-10 border-b border-line bg-ground">
        <div role="row" aria-rowindex={1} style={grid} className="grid h-9 items-center text-xs font-medium text-soft">
          {columns.map((c) => (
            <div key={c.id} role="columnheader" className={cx('truncate px-3', c.end && 'text-end')}>{c.head}</div>
          ))}
        </div>
      </div>
      <div role="rowgroup" style={{ ...least, height: v.getTotalSize() }} className="relative">
        {items.map((item) => {
          const row = rows[item.index - before]
          if (!row) return <div key={item.index} aria-hidden style={{ height, transform: `translateY(${item.start}px)` }} className="absolute inset-x-0 top-0 border-b border-line" />
          const key = rowKey(row)
          return (
            <div
              key={key}
              role="row"
              data-row
              aria-rowindex={item.index + 2}
              aria-selected={selected === undefined ? undefined : selected === key}
              tabIndex={onOpen ? 0 : undefined}
              onClick={() => onOpen?.(row)}
              onKeyDown={(e) => open(e, row)}
              style={{ ...grid, height, transform: `translateY(${item.start}px)` }}
              className={cx(
                'absolute inset-x-0 top-0 grid items-center border-b border-line text-sm outline-none focus-visible:outline-2 focus-visible:-outline-offset-2 focus-visible:outline-accent',
                onOpen && 'hover:bg-hover',
                selected === key && 'bg-accent-ground',
              )}
            >
              {columns.map((c) => (
                <div key={c.id} role="cell" dir={c.end ? undefined : 'auto'} className={cx('truncate px-3', c.end ? 'figures text-end' : 'match')}>{c.cell(row)}</div>
              ))}
            </div>
          )
        })}
      </div>
      {loading && <p role="status" className="after-a-moment px-3 py-2 text-sm text-soft">{t('common.loading')}</p>}
    </div>
  )
}
