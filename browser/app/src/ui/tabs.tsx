import { Tabs as Base } from '@base-ui/react/tabs'
import { type ReactNode, useLayoutEffect, useRef } from 'react'
import { count } from '../lib/format'
import { cx } from './cx'

export interface Tab<V extends string> {
  value: V
  label: string
  n?: number
  /** It has something that should not wait. */
  warm?: boolean
}

/** Parts of one screen; which one is shown belongs into the address. */
export function Tabs<V extends string>({ tabs, value, onChange, label, children, className }: {
  tabs: Tab<V>[]
  value: V
  onChange: (v: V) => void
  label: string
  children: ReactNode
  className?: string
}) {
  const list = useRef<HTMLDivElement>(null)
  useLayoutEffect(() => {
    const now = list.current?.querySelector<HTMLElement>('[data-active]')
    if (now) list.current!.scrollLeft = now.offsetLeft + (now.offsetWidth - list.current!.clientWidth) / 2
  }, [value, tabs.map((tab) => tab.n).join()]) // which are as wide as what is counted
  return (
    <Base.Root value={value} onValueChange={(v) => onChange(v as V)} className={className}>
      <Base.List ref={list} aria-label={label} className="relative flex gap-1 overflow-x-auto border-b border-line px-3 [scrollbar-width:none]">
        {tabs.map((tab) => (
          <Base.Tab
            key={tab.value}
            value={tab.value}
            className="flex min-h-11 items-center gap-1.5 px-2 text-sm font-medium whitespace-nowrap text-soft outline-none focus-visible:outline-2 focus-visible:-outline-offset-2 focus-visible:outline-accent data-active:text-ink md:min-h-10"
          >
            {tab.label}
            {tab.n !== undefined && <span className={cx('figures text-xs', tab.warm && tab.n > 0 ? 'text-warm' : 'text-faint')}>{count(tab.n)}</span>}
          </Base.Tab>
        ))}
        <Base.Indicator className="absolute bottom-0 left-(--active-tab-left) h-0.5 w-(--active-tab-width) bg-accent transition-[left,width] duration-120 ease-out" />
      </Base.List>
      <Base.Panel value={value} keepMounted={false} className="outline-none" tabIndex={-1}>{children}</Base.Panel>
    </Base.Root>
  )
}
