import { useDeferredValue, useRef, useState } from 'react'
import { useFound, useRested } from '../lib/found'
import { useListKeys } from '../lib/keys'
import { t } from '../lib/words'
import { Empty } from '../ui/empty'
import { boxed } from '../ui/field'
import { cx } from '../ui/cx'
import { Icon } from '../ui/icon'
import { Rows } from '../ui/skeleton'
import { type Lead, useOwnLeads } from './data'
import { LeadRow } from './row'

/** Words of a name, or some of a number's digits, among one's own leads. */
export function found(leads: Lead[], q: string): Lead[] {
  const words = q.toLocaleLowerCase().split(/\s+/).filter(Boolean)
  const digits = q.replace(/\D/g, '').replace(/^0+/, '')
  if (words.length === 0) return []
  return leads.filter((l) => {
    const p = l.person
    if (!p || p.erased) return false
    if (digits.length > 2 && !/\p{L}/u.test(q) && p.phone?.replace(/\D/g, '').includes(digits)) return true
    const text = `${p.name ?? ''} ${p.email ?? ''}`.toLocaleLowerCase()
    return words.every((w) => text.includes(w))
  })
}

export function Search() {
  // Not in the address: a browser keeps addresses, and this is somebody's name.
  const [q, type] = useState('')
  const asked = useDeferredValue(q.trim())
  const leads = useOwnLeads(asked.length > 0)
  const box = useRef<HTMLUListElement>(null)
  useListKeys(box, { next: t('desk.list.next'), before: t('desk.list.before') })
  const here = found(leads.data?.items ?? [], asked)
  const rested = useRested(asked)
  const there = useFound(rested)
  const hits = rested === asked ? [...here, ...(there.data?.items ?? []).filter((l) => !here.some((h) => h.id === l.id))] : here
  return (
    <main className="mx-auto max-w-200 md:pt-6">
      <h1 className="px-4 pt-5 pb-3 text-xl font-semibold tracking-tight">{t('desk.nav.search')}</h1>
      <div className="relative px-4 pb-3">
        <Icon name="search" className="absolute inset-y-0 start-7 top-3 size-5 text-faint md:top-2" />
        <input
          type="search"
          autoFocus
          aria-label={t('desk.search.label')}
          placeholder={t('desk.search.label')}
          value={q}
          onChange={(e) => type(e.target.value)}
          className={cx(boxed, 'ps-11')}
        />
      </div>
      {!asked && <Empty title={t('desk.search.hint')} words={t('desk.search.words')} />}
      {asked && (leads.isPending || (hits.length === 0 && there.isFetching)) && <Rows tall />}
      {there.isError && <p role="status" className="px-4 pb-3 text-sm text-soft">{t('desk.search.here')}</p>}
      {asked && leads.data && !there.isFetching && hits.length === 0 && <Empty title={t('desk.search.none')} words={t('desk.search.noneWords')} />}
      <ul ref={box} className={cx(hits.length > 0 && 'border-t border-line')}>{hits.map((l) => <LeadRow key={l.id} lead={l} />)}</ul>
    </main>
  )
}
