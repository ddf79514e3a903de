import { useInfiniteQuery, useMutation, useQuery } from '@tanstack/react-query'
import { getRouteApi, Link, useNavigate } from '@tanstack/react-router'
import { useRef, useState } from 'react'
import { useFresh } from '../console/data'
import { Page, Sorry } from '../console/page'
import { Fact } from '../console/story'
import { api, ok, type Schemas } from '../lib/api'
import { useListKeys } from '../lib/keys'
import { useMay } from '../lib/me'
import { queries } from '../lib/query'
import { t } from '../lib/words'
import { Badge, type Tone } from '../ui/badge'
import { Button } from '../ui/button'
import { Confirm } from '../ui/dialog'
import { Empty } from '../ui/empty'
import { Rows } from '../ui/skeleton'
import { Sheet } from '../ui/sheet'
import { Tabs } from '../ui/tabs'
import { Countdown, When } from '../ui/time'
import { say, sayFault } from '../ui/toast'
import { fieldsOf } from './fields'
import { LetSupport } from './form'
import { ToOpenings } from './openings'
import { useOpener } from './who'

const here = getRouteApi('/inside/console/grants')
type Grant = Schemas['AccessGrant']
const tones: Record<Grant['state'], Tone> = { open: 'warm', waiting: 'plain', ended: 'plain' }

/** What the account lets somebody of the platform open, and could take back. */
export function Grants() {
  const { state = 'open', id } = here.useSearch()
  const may = useMay()
  const go = useNavigate()
  const [making, make] = useState(false)
  useFresh(/^grant\./, ['grants'])
  const see = (one?: string) => void go({ to: '/console/grants', search: (s) => ({ project: s.project, state: state === 'open' ? undefined : state, id: one }), replace: true })
  return (
    <Page title={t('grant.title')} words={t('grant.words')} action={may('grants:manage') && <Button look="primary" icon="plus" onClick={() => make(true)}>{t('grant.make')}</Button>}>
      <Tabs
        label={t('grant.title')}
        className="-mx-3"
        value={state}
        onChange={(v) => void go({ to: '/console/grants', search: (s) => ({ project: s.project, state: v === 'open' ? undefined : v }), replace: true })}
        tabs={(['open', 'waiting', 'ended'] as const).map((value) => ({ value, label: t(`grant.state.${value}`) }))}
      >
        <div className="px-3"><List key={state} state={state} see={see} /></div>
      </Tabs>
      {making && <LetSupport onClose={() => make(false)} />}
      <Sheet open={!!id} onClose={() => see()} title={t('grant.title')}>{id && <One id={id} />}</Sheet>
    </Page>
  )
}

function List({ state, see }: { state: Grant['state']; see: (id: string) => void }) {
  const opener = useOpener()
  const box = useRef<HTMLUListElement>(null)
  useListKeys(box, { next: t('opening.next'), before: t('opening.before') })
  const list = useInfiniteQuery({
    queryKey: ['grants', state],
    initialPageParam: undefined as string | undefined,
    queryFn: ({ pageParam }) => ok(api.GET('/v1/grants', { params: { query: { state, limit: 50, cursor: pageParam } } })),
    getNextPageParam: (p) => p.next_cursor,
    refetchInterval: 30_000,
  })
  const rows = list.data?.pages.flatMap((p) => p.items) ?? []
  if (list.isError && !list.data) return <Sorry error={list.error} again={() => void list.refetch()} />
  if (list.isPending) return <Rows n={4} tall />
  if (!rows.length) return <Empty title={t(`grant.none.${state}`)} words={t('grant.noneWords')} />
  return (
    <>
      <ul ref={box}>
        {rows.map((g) => (
          <li key={g.id} className="border-b border-line">
            <button data-row type="button" onClick={() => see(g.id)} className="flex min-h-14 w-full flex-wrap items-center gap-x-5 gap-y-1 py-2.5 text-start text-sm hover:bg-hover md:-mx-2 md:w-[calc(100%+16px)] md:px-2">
              <span className="min-w-56 flex-1">
                <span className="font-medium">{opener(g.to, true)}</span> <span className="text-soft">· {t('grant.leads', { count: g.leads })} · {fieldsOf(g.fields)}</span>
                <span dir="auto" className="match block text-soft">{g.reason}</span>
              </span>
              {g.kind === 'break-glass' && <Badge tone="lost">{t('grant.emergency')}</Badge>}
              <Ends g={g} />
            </button>
          </li>
        ))}
      </ul>
      {list.hasNextPage && <Button className="mt-4" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('console.held.more')}</Button>}
    </>
  )
}

/** How long it lasts, or since when it has not. */
function Ends({ g }: { g: Pick<Grant, 'state' | 'from' | 'until' | 'ended_at'> }) {
  if (g.state === 'open') return <span className="text-warm"><Countdown from={g.from} to={g.until} /></span>
  return <span className="text-soft">{g.state === 'waiting' ? <When at={g.from} /> : <When at={g.ended_at ?? g.until} />}</span>
}

function One({ id }: { id: string }) {
  const may = useMay()
  const opener = useOpener()
  const [asked, ask] = useState(false)
  const one = useQuery({ queryKey: ['grants', 'one', id], queryFn: () => ok(api.GET('/v1/grants/{id}', { params: { path: { id } } })) })
  const revoke = useMutation({
    mutationFn: () => ok(api.POST('/v1/grants/{id}/revoke', { params: { path: { id } } })),
    onSuccess: () => say(t('grant.revoked'), { kind: 'good' }),
    onError: sayFault,
    onSettled: () => {
      ask(false)
      void queries.invalidateQueries({ queryKey: ['grants'] })
    },
  })
  const g = one.data
  if (one.isError && !g) return <Sorry error={one.error} again={() => void one.refetch()} />
  if (!g) return <Rows n={5} tall />
  return (
    <>
      <p className="mb-4 flex flex-wrap items-center gap-3"><Badge tone={tones[g.state]}>{t(`grant.state.${g.state}`)}</Badge>{g.kind === 'break-glass' && <Badge tone="lost">{t('grant.emergency')}</Badge>}<Ends g={g} /></p>
      <dl className="space-y-2.5">
        <Fact words={t('grant.to')}>{opener(g.to, true)}</Fact>
        <Fact words={t('grant.fields')}>{fieldsOf(g.fields)}</Fact>
        <Fact words={t('grant.reason')}><span dir="auto">{g.reason}</span></Fact>
        <Fact words={t('grant.began')}><When at={g.from} /></Fact>
        <Fact words={t('grant.ends')}><When at={g.until} /></Fact>
        <Fact words={t('grant.madeBy')}>{opener(g.by, g.kind === 'break-glass')}</Fact>
        {g.ended_by && <Fact words={t('grant.endedBy')}>{g.ended_by.startsWith('system') ? t('grant.timeOver') : opener(g.ended_by, g.kind === 'break-glass')}</Fact>}
        {g.ended_at && <Fact words={t('grant.ended')}><When at={g.ended_at} /> · {g.key_destroyed_at ? t('grant.destroyed') : t('grant.notDestroyed')}</Fact>}
      </dl>
      <div className="mt-5 flex flex-wrap gap-2">
        <ToOpenings grant={g.id} words={t('grant.opened')} />
        {g.state !== 'ended' && may('grants:manage') && <Button look="lost" icon="cross" onClick={() => ask(true)}>{t('grant.revoke')}</Button>}
      </div>
      <h3 className="mt-7 mb-1 text-sm font-semibold">{t('grant.theLeads')} <span className="figures font-normal text-soft">{t('grant.leads', { count: g.leads })}</span></h3>
      <ul>
        {g.lead_ids?.map((l) => (
          <li key={l} className="border-b border-line"><Link to="/console/leads/$id" params={{ id: l }} className="flex min-h-11 items-center text-accent underline-offset-4 hover:underline md:min-h-9"><span dir="ltr" className="font-mono text-xs">…{l.slice(-12)}</span></Link></li>
        ))}
      </ul>
      <Confirm open={asked} onClose={() => ask(false)} title={t('grant.revokeAsk')} words={t('grant.revokeWords')} verb={t('grant.revoke')} busy={revoke.isPending} onYes={() => revoke.mutate()} />
    </>
  )
}
