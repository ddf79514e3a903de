import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query'
import { type FormEvent, type ReactNode, useState } from 'react'
import { api, ok, type Schemas } from '../lib/api'
import { useNow } from '../lib/clock'
import { faultOf } from '../lib/fault'
import { count } from '../lib/format'
import { useMay } from '../lib/me'
import { useSession } from '../lib/session'
import { locale, t, tOf } from '../lib/words'
import { Badge } from '../ui/badge'
import { Button } from '../ui/button'
import { cx } from '../ui/cx'
import { Dialog } from '../ui/dialog'
import { Empty } from '../ui/empty'
import { TextField } from '../ui/field'
import { Block, Rows } from '../ui/skeleton'
import { Ago, When } from '../ui/time'
import { formFault } from '../ui/toast'
import { AccountLimits } from './accountlimits'
import { Page, Part, Sorry } from './page'
import { lasted } from './story'
import { Wall } from './wall'

const platform = 10_000

/** The platform, without anybody's leads: whether it takes them in, how far behind it is, and for whom it runs. */
export function Platform() {
  const health = useQuery({ queryKey: ['platform', 'health'], queryFn: () => ok(api.GET('/v1/operator/health')), refetchInterval: 5000 })
  const h = health.data
  return (
    <Page title={t('console.nav.platform')}>
      {health.isError && !h ? <Sorry error={health.error} again={() => void health.refetch()} /> : !h ? <Block className="h-32 w-full" /> : <Health h={h} />}
      {h?.firewall && <Wall f={h.firewall} />}
      <Accounts />
    </Page>
  )
}

function Health({ h }: { h: Schemas['Health'] }) {
  useNow(platform)
  const bytes = (n: number) => new Intl.NumberFormat(locale(), { style: 'unit', unit: 'gigabyte', maximumFractionDigits: 1 }).format(n / 1e9)
  const age = (ms: number | null) => (ms == null ? '–' : lasted(ms))
  const late = (ms: number | null) => ms != null && ms > platform
  const rows: [string, string, string, boolean][] = [
    [t('console.health.journal'), count(h.journal.backlog), age(h.journal.oldest_ms), !h.journal.takes_leads || late(h.journal.oldest_ms)],
    [t('console.health.jobs'), count(h.jobs.due), age(h.jobs.oldest_ms), h.jobs.failed > 0 || late(h.jobs.oldest_ms)],
    [t('console.health.events'), count(h.events.unplaced + h.events.behind), age(h.events.oldest_ms), late(h.events.oldest_ms)],
  ]
  return (
    <section className="mb-12">
      <div className="grid items-end gap-x-14 md:grid-cols-[auto_minmax(0,1fr)]">
        <div>
          <h2 className="text-sm font-medium text-soft">{t('console.health.state')}</h2>
          <p className={cx('mt-1 text-hero font-semibold tracking-tight', !h.ok && 'text-warm')}>{h.ok ? t('console.health.good') : t('console.health.bad')}</p>
        </div>
        <p className="mt-1.5 text-sm text-soft md:col-span-2 md:row-start-2">{h.journal.takes_leads ? t('console.health.takes') : (h.journal.why ?? t('console.health.takesNone'))}</p>
        <dl className="mt-6 grid grid-cols-3 gap-x-6 gap-y-5 pb-1 md:col-start-2 md:row-start-1 md:mt-0 md:flex md:flex-wrap md:gap-x-10">
          <Small words={t('console.health.database')}>{h.database.answers ? tOf('console.engine', h.engine) : t('console.health.silent')}</Small>
          {h.journal.free_disk_bytes !== undefined && <Small words={t('console.health.disk')}>{bytes(h.journal.free_disk_bytes)}</Small>}
          <Small words={t('console.health.failed')}>{count(h.jobs.failed)}</Small>
          <Small words={t('console.health.since')}><Ago at={h.started_at} /></Small>
          <Small words={t('console.health.version')}><span dir="ltr">{h.version}</span></Small>
        </dl>
      </div>
      <table className="mt-7 w-full max-w-180 text-sm">
        <thead><tr className="border-b border-line text-xs text-soft"><th scope="col" className="py-2 text-start font-medium">{t('console.health.queue')}</th><th scope="col" className="py-2 text-end font-medium">{t('console.health.waits')}</th><th scope="col" className="py-2 ps-4 text-end font-medium">{t('console.board.oldestAge')}</th></tr></thead>
        <tbody>{rows.map(([name, n, oldest, bad]) => <tr key={name} className="border-b border-line"><th scope="row" className="py-2 text-start font-normal">{name}</th><td className="figures py-2 text-end">{n}</td><td className={cx('figures py-2 ps-4 text-end', bad && 'font-semibold text-warm')}>{oldest}</td></tr>)}</tbody>
      </table>
    </section>
  )
}

const Small = ({ words, children }: { words: string; children: ReactNode }) => (
  <div><dt className="text-sm text-soft">{words}</dt><dd className="figures mt-0.5 text-lg font-semibold">{children}</dd></div>
)

function Accounts() {
  const list = useInfiniteQuery({
    queryKey: ['platform', 'accounts'],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/operator/accounts', { params: { query: { limit: 100, cursor: pageParam } } })),
    getNextPageParam: (p) => p.next_cursor,
  })
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  const [limited, limit] = useState<{ id: string; name: string } | null>(null)
  return (
    <Part title={t('console.platform.accounts')}>
      {list.isPending ? <Rows n={4} /> : list.isError && !list.data ? <Sorry error={list.error} again={() => void list.refetch()} /> : rows.length === 0 ? <Empty title={t('console.platform.none')} words={t('console.platform.noneWords')} /> : (
        <div className="relative overflow-x-auto" tabIndex={0} role="group" aria-label={t('console.platform.accounts')}>
          <table className="w-full text-sm md:min-w-140">
            <thead><tr className="border-b border-line text-xs text-soft"><th scope="col" className="py-2 text-start font-medium">{t('console.platform.account')}</th>{(['projects', 'sources', 'users'] as const).map((k) => <th key={k} scope="col" className="py-2 ps-4 text-end font-medium">{t(`console.platform.${k}`)}</th>)}<th scope="col" className="py-2 ps-4 text-end font-medium max-md:hidden">{t('console.platform.since')}</th><th scope="col" className="sr-only">{t('console.platform.limits')}</th></tr></thead>
            <tbody>{rows.map((a) => <tr key={a.id} className="border-b border-line"><th scope="row" className="py-2.5 text-start font-medium">{a.name}<span className="block text-xs font-normal text-faint"><span className="ltr font-mono break-all">{a.id}</span></span></th><td className="figures py-2 ps-4 text-end">{count(a.projects)}</td><td className="figures py-2 ps-4 text-end">{count(a.sources)}</td><td className="figures py-2 ps-4 text-end">{count(a.users)}</td><td className="py-2 ps-4 text-end text-soft max-md:hidden"><When at={a.created_at} /></td><td className="py-1 text-end md:ps-4"><Button look="quiet" onClick={() => limit(a)}>{t('console.platform.limits')}</Button></td></tr>)}</tbody>
          </table>
          {list.hasNextPage && <Button className="mt-4" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('console.held.more')}</Button>}
        </div>
      )}
      {limited && <AccountLimits account={limited} onClose={() => limit(null)} />}
    </Part>
  )
}

/** What operators did, and who has looked at it. */
export function PlatformRecord() {
  const may = useMay()
  const self = useSession()?.user_id
  const [signing, sign] = useState<Schemas['PlatformEntry'] | null>(null)
  const list = useInfiniteQuery({
    queryKey: ['platform', 'record'],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/platform/record', { params: { query: { limit: 100, cursor: pageParam } } })),
    getNextPageParam: (p) => p.next_cursor,
  })
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  const unsigned = list.data?.pages[0]?.unsigned ?? 0
  return (
    <Page title={t('console.nav.platformRecord')} words={list.data && (unsigned > 0 ? t('console.platform.unsigned', { count: unsigned }) : t('console.platform.allSigned'))}>
      {list.isError && !list.data ? <Sorry error={list.error} again={() => void list.refetch()} /> : list.isPending ? <Rows n={8} /> : (
        <ul>
          {rows.map((e) => (
            <li key={e.id} className="flex flex-wrap items-center gap-x-5 gap-y-2 border-b border-line py-2.5 text-sm">
              <When at={e.at} className="w-32 text-soft" />
              <span className="min-w-60 flex-1"><span className="font-medium">{e.action}</span><span className="block text-xs text-faint"><span className="ltr font-mono break-all">{[e.actor, e.about].filter(Boolean).join(' → ')}</span></span></span>
              {e.signed_off ? <Badge tone="good">{t('console.platform.signed')}</Badge> : e.review && e.actor !== self && may('platform:record') ? <Button onClick={() => sign(e)}>{t('console.platform.sign')}</Button> : null}
            </li>
          ))}
        </ul>
      )}
      {list.hasNextPage && <Button className="mt-4" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('console.held.more')}</Button>}
      {signing && <SignOff entry={signing} onClose={() => { sign(null); void list.refetch() }} />}
    </Page>
  )
}

function SignOff({ entry, onClose }: { entry: Schemas['PlatformEntry']; onClose: () => void }) {
  const send = useMutation({
    mutationFn: (note: string) => ok(api.POST('/v1/platform/record/{id}/sign-off', { params: { path: { id: entry.id } }, body: { note } })),
    onSuccess: onClose,
    onError: (e) => void formFault(e),
  })
  const submit = (e: FormEvent<HTMLFormElement>) => {
    e.preventDefault()
    send.mutate(String(new FormData(e.currentTarget).get('note')).trim())
  }
  return (
    <Dialog open onClose={onClose} title={t('console.platform.signAsk')} words={t('console.platform.signWords')}>
      <form onSubmit={submit} className="grid gap-4">
        <TextField name="note" label={t('console.platform.note')} rows={3} required fault={send.isError ? faultOf(send.error).fields.note : undefined} />
        <div className="flex justify-end gap-2"><Button type="button" look="quiet" onClick={onClose}>{t('common.cancel')}</Button><Button type="submit" look="primary" busy={send.isPending}>{t('console.platform.sign')}</Button></div>
      </form>
    </Dialog>
  )
}
