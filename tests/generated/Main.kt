import com.example.live.infrastructure.Serializer
import com.example.live.models.Room
import kotlin.system.exitProcess

/** Print what it finds in each room given as JSON, then have README's session as the user of `token`. */
suspend fun main(arguments: Array<String>) {
    val (token) = arguments
    for (json in arguments.drop(1)) {
        val room = Serializer.kotlinxSerializationJson.decodeFromString<Room>(json)
        println("${room.chatId} ${room.anchorInfo.imUserid} ${room.startTime} ${room.endTime} ${room.pushUrl}")
    }
    session { token }
    exitProcess(0) // OkHttp's threads would wait for more
}
