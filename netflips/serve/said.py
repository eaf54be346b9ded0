"""What the server tells a visitor of an error: without flags of its command line, and in Korean where the page is."""

from starlette.responses import JSONResponse, Response

_NOT_DONE = "서버가 처리하지 못했습니다"
_KOREAN = {
    "it cannot be read as video or sound": "영상이나 소리로 읽을 수 없는 파일입니다",
    "the file is damaged": "파일이 손상되어 읽을 수 없습니다",
    "no picture in it can be decoded": "화면을 하나도 읽을 수 없습니다",
    "it has no picture": "화면이 없는 파일입니다",
    "it has no video track": "화면이 없는 파일입니다",
    "it has neither picture nor sound": "화면도 소리도 없는 파일입니다",
    "it has no sound to take the voice from": "소리가 없는 파일입니다. 목소리에 다른 녹음을 고르세요",
    "it has no sound": "소리가 없는 파일입니다",
    "its sound track is empty": "소리가 비어 있습니다",
    "this is a single picture": "영상이 아니라 사진 한 장입니다",
    "this is no picture that can be read": "읽을 수 없는 사진입니다",
    "there are no subtitles with times in it": "시간이 적힌 자막이 없습니다",
    "no speech was found in it": "말소리를 찾지 못했습니다",
    "there is no usable speech to take the voice from": "목소리를 따올 만한 말소리가 없습니다. 목소리에 다른 녹음을 고르세요",
    "the speech is": "말소리가 너무 짧습니다",
    "no face was found": "얼굴을 찾지 못했습니다",
    "the mesh saw no face": "얼굴을 찾지 못했습니다",
    "the mouth is cut off": "입이 화면 밖으로 잘려 있습니다",
    "the face is turned too far": "얼굴이 너무 옆을 보고 있습니다",
    "the face is too small": "얼굴이 너무 작습니다",
    "nothing of it can be said": "다른 언어로 말할 수 있는 문장이 없습니다. 경고에 까닭이 있습니다",
    "the translation is empty": "번역된 말이 없습니다. 영어로 말하는 영상인지 확인해 주세요",
    "there is nothing to say in the text": "읽을 글이 없습니다",
    "text has the wrong length": "글이 없거나 너무 깁니다",
    "no text can be said": "이 모델은 글을 말할 수 없습니다",
    "the file is too large": "파일이 너무 큽니다",
    "it is too long": "너무 깁니다",
    "it takes too long to read": "읽는 데 너무 오래 걸립니다",
    "this upload is not there any more": "올린 파일이 지워졌습니다. 다시 올려 주세요",
    "this job is not there any more": "이 작업은 지워졌습니다",
    "so many jobs wait": "기다리는 작업이 너무 많습니다. 잠시 뒤에 다시 해 주세요",
    "so many uploads come in": "올라오는 파일이 너무 많습니다. 잠시 뒤에 다시 해 주세요",
    "so many pages look on": "열린 창이 너무 많습니다. 다른 창을 닫아 주세요",
    "this is too much for the server's disk": "서버의 저장 공간을 넘습니다. 작업을 지우거나 잠시 뒤에 다시 해 주세요",
    "there is too little room on the server's disk": "서버의 저장 공간이 모자랍니다. 잠시 뒤에 다시 해 주세요",
    "the upload is empty": "빈 파일입니다",
    "the upload": "파일을 올리다가 끊어졌습니다. 다시 올려 주세요",
    "the token is missing": "토큰이 없습니다. 서버가 알려 준 주소로 들어오세요",
    "the server was stopped": "서버가 중간에 꺼졌습니다. 끝낸 부분은 남아 있으니 이어서 할 수 있습니다",
    "its process was ended": "시스템이 작업을 끝냈습니다. 메모리가 모자라지 않은지 확인해 주세요",
    "the server could not do it": _NOT_DONE,
    "nothing can be dubbed over text": "글로 옮겨 더빙할 모델이 없습니다",
    "the job before it": "앞선 작업이 지워졌습니다",
    "this job is not over yet": "아직 끝나지 않은 작업입니다",
    "an utterance cannot be that": "문장의 시간이나 글이 맞지 않습니다",
    "entry": "문장의 시간이 겹치거나 영상 밖에 있습니다",
    "this is no script": "대본 파일이 아닙니다",
    "the script names a file": "대본에 적힌 음성 파일은 여기에서 쓸 수 없습니다",
    "there is not enough memory": "메모리가 모자랍니다",
}
"""By how the English clause begins. What is not here is told in English, behind a word of what it is."""

_WAYS_OUT = {
    "it has no sound to take the voice from": "choose a recording as the Voice",
    "there is no usable speech to take the voice from": "choose a recording as the Voice",
}
"""What a visitor can do, where the command's way out is a flag."""


def told(error: str) -> dict[str, str]:
    """Return one line of an error (a file, a clause, and what more there is to say, with `; ` between) in both languages."""
    head = error.partition("; ")[0]
    path, colon, clause = head.rpartition(": ")
    parts = [*(part for part in error.split("; ") if "--" not in part), _WAYS_OUT.get(clause)]
    plain = "; ".join(part for part in parts if part)
    korean = next((said for begin, said in _KOREAN.items() if clause.startswith(begin)), f"{_NOT_DONE} ({clause})")
    return {"error": plain, "error_ko": f"{path}{colon}{korean}." if plain else ""}


def refusal(status: int, text: str) -> Response:
    """Return the answer to what cannot be."""
    return JSONResponse(told(text), status_code=status)
