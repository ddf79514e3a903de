import { Dialog as Base } from '@base-ui/react/dialog'
import { useLocation, useNavigate } from '@tanstack/react-router'
import { type KeyboardEvent, useEffect, useId, useMemo, useRef, useState } from 'react'
import { useFound, useRested } from '../lib/found'
import { type Act, useAllActs } from '../lib/keys'
import { useMay } from '../lib/me'
import { session } from '../lib/session'
import { t } from '../lib/words'
import { cx } from './cx'
import { Dialog } from './dialog'
import { Icon } from './icon'
import { floating, veil } from './surface'

const fits = (words: string, typed: string) => typed.toLocaleLowerCase().split(/\s+/).every((w) => words.toLocaleLowerCase().includes(w))

function Keys({ keys }: { keys: string }) {
  return (
    <span className="flex gap-1" dir="ltr">
      {keys.split(' ').map((k) => (
        <kbd key={k} className="grid h-5.5 min-w-5.5 place-items-center rounded-sm border border-line bg-sunken px-1 font-sans text-xs text-soft">{k}</kbd>
      ))}
    </span>
  )
}

/** Leads of a whole number or address, each an action that opens it. */
function useLeadActs(typed: string) {
  const may = useMay()
  const go = useNavigate()
  const onDesk = useLocation({ select: (l) => l.pathname.startsWith('/desk') }) || session.get()?.role === 'salesperson'
  const asked = typed.trim()
  const rested = useRested(asked)
  const { data, isFetching, isError } = useFound(rested, !!may('persons:open'), !!may('leads:read'))
  const leads = rested === asked ? (data?.items ?? []) : []
  const acts = leads.map((l): Act => ({
    id: l.id,
    words: l.person?.name || l.person?.phone || l.person?.email || `${l.project.name} · ${l.source.name}`,
    group: l.project.name,
    run: () => void go({ to: onDesk ? '/desk/leads/$id' : '/console/leads/$id', params: { id: l.id } }),
  }))
  return { acts, isFetching, isError }
}

/** Every action that is there now, by name, and leads by a whole number or address. */
export function Palette({ open, onClose }: { open: boolean; onClose: () => void }) {
  return (
    <Base.Root open={open} onOpenChange={(o) => !o && onClose()}>
      <Base.Portal>
        <Base.Backdrop className={veil} />
        <Base.Popup className={cx(floating, 'fixed inset-x-4 top-[10dvh] z-50 mx-auto flex max-h-[70dvh] max-w-140 flex-col overflow-hidden')}>
          <Base.Title className="sr-only">{t('palette.title')}</Base.Title>
          <List onClose={onClose} />
        </Base.Popup>
      </Base.Portal>
    </Base.Root>
  )
}

function List({ onClose }: { onClose: () => void }) {
  const acts = useAllActs()
  const [typed, type] = useState('')
  const [at, go] = useState(0)
  const id = useId()
  const named = useMemo(() => acts.filter((a) => a.id !== 'palette' && !a.id.startsWith('list.') && fits(a.words + ' ' + (a.group ?? ''), typed)), [acts, typed])
  const leads = useLeadActs(typed)
  const found = [...leads.acts, ...named]
  const list = useRef<HTMLUListElement>(null)
  useEffect(() => list.current?.children[at]?.scrollIntoView({ block: 'nearest' }), [at])
  const run = (a: Act | undefined) => {
    if (!a) return
    onClose()
    a.run()
  }
  const press = (e: KeyboardEvent) => {
    const by = e.key === 'ArrowDown' ? 1 : e.key === 'ArrowUp' ? -1 : 0
    if (by) {
      e.preventDefault()
      go((i) => Math.max(0, Math.min(found.length - 1, i + by)))
    } else if (e.key === 'Enter') run(found[at])
  }
  return (
    <>
      <div className="flex items-center gap-3 border-b border-line px-4">
        <Icon name="search" className="size-5 text-faint" />
        <input
          autoFocus
          role="combobox"
          aria-expanded
          aria-controls={id}
          aria-activedescendant={found[at] && `${id}-${at}`}
          aria-label={t('palette.title')}
          placeholder={t('palette.hint')}
          value={typed}
          onChange={(e) => {
            type(e.target.value)
            go(0)
          }}
          onKeyDown={press}
          className="h-13 flex-1 bg-transparent text-base outline-none"
        />
      </div>
      <ul ref={list} id={id} role="listbox" aria-label={t('palette.title')} className="overflow-y-auto p-1.5">
        {found.map((a, i) => (
          <li
            key={a.id}
            id={`${id}-${i}`}
            role="option"
            aria-selected={i === at}
            onPointerMove={() => go(i)}
            onClick={() => run(a)}
            className={cx('flex min-h-11 items-center gap-3 rounded px-3 md:min-h-9', i === at && 'bg-hover')}
          >
            <span className="flex-1">{a.words}</span>
            {a.group && <span className="text-sm text-faint">{a.group}</span>}
            {a.keys && <Keys keys={a.keys} />}
          </li>
        ))}
      </ul>
      {found.length === 0 && !leads.isFetching && <p role="status" className="px-4 pb-4 text-soft">{t(leads.isError ? 'palette.away' : 'palette.nothing')}</p>}
    </>
  )
}

/** Every key that does something now. */
export function AllKeys({ open, onClose }: { open: boolean; onClose: () => void }) {
  const acts = useAllActs().filter((a) => a.keys)
  return (
    <Dialog open={open} onClose={onClose} title={t('keys.title')}>
      <dl className="grid grid-cols-[1fr_auto] items-center gap-y-2.5">
        {acts.map((a) => (
          <div key={a.id} className="contents">
            <dt>{a.words}</dt>
            <dd><Keys keys={a.keys!} /></dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
